import { api, field } from './dsl.ts';

export const deleteTopics = api(20, 'DeleteTopics', {
  about: 'DeleteTopics deletes topics, through the controller.',
  changes: {
    1: 'throttle time',
    4: 'flexible',
    5: 'error messages',
    6: 'deletion by topic id',
  },
  versions: '0-6',
  flexible: '4+',
  request: [
    field('topics', '[]DeleteTopicState', '6+', [
      field('name', 'string', '6+', { nullable: '6+', default: null }),
      field('topicId', 'uuid', '6+'),
    ]),
    field('topicNames', '[]string', '0-5', { ignorable: true }),
    field('timeoutMs', 'int32', '0+'),
  ],
  response: [
    field('throttleTimeMs', 'int32', '1+', { default: 0, ignorable: true }),
    field('responses', '[]DeletableTopicResult', '0+', [
      field('name', 'string', '0+', { nullable: '6+' }),
      field('topicId', 'uuid', '6+', { ignorable: true }),
      field('errorCode', 'int16', '0+'),
      field('errorMessage', 'string', '5+', { nullable: '5+', default: null, ignorable: true }),
    ]),
  ],
});
