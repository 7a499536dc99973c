/** Replicas that move to other brokers, as an operator moves them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Admin, AdminItemsError, type NewReassignment } from '@millrace/admin';

const REASSIGNED_MS_MAX = 120_000;
const ASK_MS = 100;

/** Moves replicas, and resolves when they are there. A broker takes connections before the controller has heard of it, which refuses until then. */
export async function reassign(admin: Admin, moves: readonly NewReassignment[]): Promise<void> {
  await until('the reassignment is taken on', () =>
    admin.alterPartitionReassignments(moves).then(
      () => true,
      (error: unknown) => {
        if (error instanceof AdminItemsError && error.code === 'KAFKA_INVALID_REPLICA_ASSIGNMENT') return false;
        throw error;
      },
    ),
  );
  await until('the reassignment is done', async () => (await admin.listPartitionReassignments()).length === 0);
}

/** What a move of every partition comes from and leads to. */
export async function movesOfAll(
  admin: Admin,
  target: (replicas: readonly number[], partition: number) => readonly number[],
): Promise<NewReassignment[]> {
  const topics = await admin.listTopics({ internal: true });
  return (await admin.describeTopics(topics)).flatMap(({ name: topic, partitions }) =>
    partitions.map(({ partition, replicas }) => ({ topic, partition, replicas: target(replicas, partition) })),
  );
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + REASSIGNED_MS_MAX;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`waited ${REASSIGNED_MS_MAX} ms until ${what}`);
    await sleep(ASK_MS);
  }
}
