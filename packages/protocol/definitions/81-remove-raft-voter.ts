import { api, field } from './dsl.ts';

export const removeRaftVoter = api(81, 'RemoveRaftVoter', {
  about: 'RemoveRaftVoter removes a voter from the Raft quorum of a KRaft cluster (KIP-853).',
  versions: '0',
  flexible: '0+',
  request: [
    field('clusterId', 'string', '0+', { nullable: '0+' }),
    field('voterId', 'int32', '0+'),
    field('voterDirectoryId', 'uuid', '0+'),
  ],
  response: [
    field('throttleTimeMs', 'int32', '0+', { default: 0 }),
    field('errorCode', 'int16', '0+'),
    field('errorMessage', 'string', '0+', { nullable: '0+', ignorable: true }),
  ],
});
