import { api, field } from './dsl.ts';

export const addRaftVoter = api(80, 'AddRaftVoter', {
  about: 'AddRaftVoter adds a voter to the Raft quorum of a KRaft cluster (KIP-853).',
  versions: '0',
  flexible: '0+',
  request: [
    field('clusterId', 'string', '0+', { nullable: '0+' }),
    field('timeoutMs', 'int32', '0+'),
    field('voterId', 'int32', '0+'),
    field('voterDirectoryId', 'uuid', '0+'),
    field('listeners', '[]Listener', '0+', [
      field('name', 'string', '0+'),
      field('host', 'string', '0+'),
      field('port', 'uint16', '0+'),
    ]),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('errorCode', 'int16', '0+'),
    field('errorMessage', 'string', '0+', { nullable: '0+', ignorable: true }),
  ],
});
