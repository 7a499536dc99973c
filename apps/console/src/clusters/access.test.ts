import type { Acl } from '@millrace/admin';
import { expect, it } from 'vitest';
import { listAcls } from './access.ts';
import type { Cluster } from './cluster.ts';

it('shows a rule for which there is no word here as the cluster tells it, and leaves none out', async () => {
  const plain: Acl = {
    resourceType: 'transactional-id',
    resourceName: 'pay',
    patternType: 'literal',
    principal: 'User:eve',
    host: '*',
    operation: 'write',
    permission: 'allow',
  };
  const acls: readonly Acl[] = [
    plain,
    // TWO_PHASE_COMMIT of Kafka 4.
    { ...plain, operation: 'unknown', codes: { resourceType: 5, patternType: 3, operation: 15, permission: 3 } },
    { ...plain, resourceType: 'unknown', codes: { resourceType: 77, patternType: 3, operation: 4, permission: 3 } },
    { ...plain, patternType: 'unknown', codes: { resourceType: 5, patternType: 9, operation: 4, permission: 3 } },
  ];
  // No broker that is run here makes such rules.
  const admin = { describeAcls: () => Promise.resolve(acls) } as unknown as Cluster['admin'];
  const shown = {
    ...{ resource: 'transactional-id', name: 'pay', pattern: 'literal', principal: 'User:eve' },
    ...{ host: '*', operation: 'write', permission: 'allow' },
  };
  expect((await listAcls({ admin })).acls).toEqual([
    shown,
    { ...shown, operation: 'unknown (15)', isForeign: true },
    { ...shown, resource: 'unknown (77)', isForeign: true },
    { ...shown, pattern: 'unknown (9)', isForeign: true },
  ]);
});
