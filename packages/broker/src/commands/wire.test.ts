/** Commands out of what a controller of Apache Kafka 3.9.1 sent (packages/protocol/fixtures), and back. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import {
  type AnyApi,
  decodeRequestFrame,
  decodeResponseFrame,
  encodeRequest,
  encodeResponse,
  LeaderAndIsr,
  type LeaderAndIsrRequest,
  type LeaderAndIsrResponse,
  StopReplica,
  type StopReplicaRequest,
  type StopReplicaResponse,
  UpdateMetadata,
  type UpdateMetadataRequest,
} from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import {
  leaderAndIsrCommand,
  leaderAndIsrOutcome,
  leaderAndIsrRequest,
  leaderAndIsrResponse,
  stopReplicaCommand,
  stopReplicaOutcome,
  stopReplicaRequest,
  stopReplicaResponse,
  updateMetadataCommand,
  updateMetadataRequest,
} from './wire.ts';

const file = join(import.meta.dirname, '../../../protocol/fixtures/inter-broker.jsonl.br');
type Line = readonly [string, number, number, number, number, string, string | null];
const lines = brotliDecompressSync(readFileSync(file))
  .toString()
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Line);

/** The captured requests of an API that this broker speaks, with their answers. */
function framesOf(api: AnyApi, versionMin: number): { version: number; request: Buffer; response: Buffer | null }[] {
  return lines
    .filter(([, key, version]) => key === api.key && version >= versionMin)
    .map(([, , version, , , request, response]) => ({
      version,
      request: Buffer.from(request, 'hex'),
      response: response === null ? null : Buffer.from(response, 'hex'),
    }));
}

function bodyOf<T>(frame: Buffer): T {
  return decodeRequestFrame(frame)?.body as T;
}

function again(api: AnyApi, version: number, frame: Buffer, body: unknown): string {
  const header = decodeRequestFrame(frame)!.header;
  return Buffer.concat(encodeRequest(api as never, version, header, body as never))
    .subarray(4)
    .toString('hex');
}

function answeredAgain(api: AnyApi, version: number, frame: Buffer, body: unknown): string {
  const { correlationId } = decodeResponseFrame(api as never, version, frame).header;
  return Buffer.concat(encodeResponse(api as never, version, correlationId, body as never))
    .subarray(4)
    .toString('hex');
}

describe('commands on the wire', () => {
  it('lose nothing of a LeaderAndIsr but where live leaders are, which receivers do not use', () => {
    const frames = framesOf(LeaderAndIsr, 5);
    expect(frames.length).toBeGreaterThan(200);
    for (const { version, request, response } of frames) {
      const body = bodyOf<LeaderAndIsrRequest>(request);
      const command = leaderAndIsrCommand(body);
      const { liveLeaders } = body;
      expect(
        again(LeaderAndIsr, version, request, { ...leaderAndIsrRequest(command, 'X', version), liveLeaders }),
      ).toBe(request.toString('hex'));
      if (response === null) continue;
      const answer = decodeResponseFrame(LeaderAndIsr, version, response).body as LeaderAndIsrResponse;
      const outcome = leaderAndIsrOutcome(answer, command);
      expect(outcome.partitions.every(({ topic }) => topic !== '')).toBe(true);
      const body2 = leaderAndIsrResponse(outcome, version);
      expect(answeredAgain(LeaderAndIsr, version, response, body2)).toBe(response.toString('hex'));
    }
  });

  it('say that a leader is recovering where the version can, and send the rest where it cannot', () => {
    const [frame] = framesOf(LeaderAndIsr, 7);
    const command = leaderAndIsrCommand(bodyOf<LeaderAndIsrRequest>(frame!.request));
    const partitions = command.partitions.map((state) => ({ ...state, leaderRecoveryState: 1 }));
    for (const [version, told] of [
      [5, 0],
      [6, 1],
      [7, 1],
    ] as const) {
      const request = leaderAndIsrRequest({ ...command, partitions }, 'X', version);
      const sent = Buffer.concat(encodeRequest(LeaderAndIsr, version, { correlationId: 1, clientId: '' }, request));
      const got = leaderAndIsrCommand(bodyOf<LeaderAndIsrRequest>(sent.subarray(4)));
      expect(got.partitions).toEqual(partitions.map((state) => ({ ...state, leaderRecoveryState: told })));
    }
  });

  it('name the live leaders of a LeaderAndIsr under the listener of brokers', () => {
    const [frame] = framesOf(LeaderAndIsr, 7);
    const { liveLeaders, ...body } = bodyOf<LeaderAndIsrRequest>(frame!.request);
    const command = leaderAndIsrCommand({ ...body, liveLeaders: [] });
    const live = liveLeaders.map(({ brokerId, hostName, port }) => ({
      id: brokerId,
      rack: null,
      endpoints: [
        { listener: 'EXTERNAL', securityProtocol: 'SSL', host: 'elsewhere', port: 1 },
        { listener: 'INTERNAL', securityProtocol: 'PLAINTEXT', host: hostName, port },
      ],
    }));
    const request = leaderAndIsrRequest({ ...command, liveLeaders: live }, 'INTERNAL', 7);
    expect(request.liveLeaders).toEqual(liveLeaders);
  });

  it('lose nothing of an UpdateMetadata', () => {
    const frames = framesOf(UpdateMetadata, 7);
    expect(frames.length).toBeGreaterThan(700);
    for (const { version, request } of frames) {
      const command = updateMetadataCommand(bodyOf<UpdateMetadataRequest>(request));
      expect(again(UpdateMetadata, version, request, updateMetadataRequest(command))).toBe(request.toString('hex'));
    }
  });

  it('lose nothing of a StopReplica', () => {
    const frames = framesOf(StopReplica, 3);
    expect(frames.length).toBeGreaterThan(40);
    for (const { version, request, response } of frames) {
      const command = stopReplicaCommand(bodyOf<StopReplicaRequest>(request), version);
      expect(again(StopReplica, version, request, stopReplicaRequest(command))).toBe(request.toString('hex'));
      if (response === null) continue;
      const outcome = stopReplicaOutcome(
        decodeResponseFrame(StopReplica, version, response).body as StopReplicaResponse,
      );
      const body = stopReplicaResponse(outcome);
      expect(answeredAgain(StopReplica, version, response, body)).toBe(response.toString('hex'));
    }
  });

  it('of old controllers say once for all partitions whether files go, and which replica by name', () => {
    const command = stopReplicaCommand(
      {
        controllerId: 1,
        isKRaftController: false,
        controllerEpoch: 2,
        brokerEpoch: 3,
        deletePartitions: true,
        ungroupedPartitions: [],
        topics: [{ name: 't', partitionIndexes: [0, 4] }],
        topicStates: [],
      },
      2,
    );
    expect(command.partitions).toEqual([
      { topic: 't', partition: 0, leaderEpoch: -1, deletePartition: true },
      { topic: 't', partition: 4, leaderEpoch: -1, deletePartition: true },
    ]);
  });
});
