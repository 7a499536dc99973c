import { expect, it } from 'vitest';
import { aclOf } from './acls.ts';

const rule = { principal: 'User:eve', host: '*', operation: 4, permissionType: 3 };
const pattern = { resourceType: 5, resourceName: 'pay', patternType: 3 };

it('a rule that a newer Kafka has made is told with the numbers for which there is no word', () => {
  const known = {
    ...{ resourceType: 'transactional-id', resourceName: 'pay', patternType: 'literal', principal: 'User:eve' },
    ...{ host: '*', operation: 'write', permission: 'allow' },
  };
  expect(aclOf(pattern, rule)).toEqual(known);
  // TWO_PHASE_COMMIT of Kafka 4 (KIP-939).
  expect(aclOf(pattern, { ...rule, operation: 15 })).toEqual({
    ...known,
    operation: 'unknown',
    codes: { resourceType: 5, patternType: 3, operation: 15, permission: 3 },
  });
  expect(aclOf({ ...pattern, resourceType: 77 }, rule)).toMatchObject({
    resourceType: 'unknown',
    codes: { resourceType: 77 },
  });
});
