/**
 * UpdateFeatures: an operator asks for other levels of what all brokers of a cluster must have in common (KIP-584).
 *
 * - With ZooKeeper no broker has features that could be raised, so each update is refused, in Kafka's words, and nothing is written.
 * - Only the controller answers; v0 says "may go down", from v1 on the kind of downgrade.
 * - Of a feature that is named twice the first is what counts.
 */
import { ErrorCode, UpdateFeatures, type UpdateFeaturesRequestFeatureUpdate } from '@millrace/protocol';
import { CLUSTER, inWords } from '../shared/authorization.ts';
import { eachInTurns, startInTurns } from '../shared/turns.ts';
import { defineHandler } from './handler.ts';

const UPGRADE = 1;
const SAFE_DOWNGRADE = 2;
const UNSAFE_DOWNGRADE = 3;

export const updateFeatures = defineHandler(
  UpdateFeatures,
  { minVersion: 0, maxVersion: 1 },
  async ({ featureUpdates }, context) => {
    const refusal = context.authorize('Alter', CLUSTER);
    if (refusal !== undefined) return { errorCode: refusal.errorCode, errorMessage: inWords(refusal), results: [] };
    if (!context.broker.controller.isActive) {
      const errorMessage = 'This is not the correct controller for this cluster.';
      return { errorCode: ErrorCode.NOT_CONTROLLER, errorMessage, results: [] };
    }
    const reasons = new Map<string, string>();
    const look = (update: UpdateFeaturesRequestFeatureUpdate): void => {
      if (!reasons.has(update.feature)) reasons.set(update.feature, whyNot(update, context.version));
    };
    await eachInTurns(featureUpdates, look, () => context.pause());
    const errorCode = ErrorCode.INVALID_REQUEST;
    const refuse = ([feature, errorMessage]: [string, string]) => ({ feature, errorCode, errorMessage });
    const results = await startInTurns([...reasons], refuse, () => context.pause());
    return { errorCode: ErrorCode.NONE, errorMessage: null, results };
  },
);

function whyNot(update: UpdateFeaturesRequestFeatureUpdate, version: number): string {
  const { feature, maxVersionLevel: level } = update;
  const type = version >= 1 ? update.upgradeType : update.allowDowngrade ? SAFE_DOWNGRADE : UPGRADE;
  if (feature === '') return 'Feature name can not be empty.';
  if (type < UPGRADE || type > UNSAFE_DOWNGRADE) return 'Received unknown upgrade type.';
  if (level < 1 && type !== UPGRADE) return 'Can not delete non-existing finalized feature.';
  if (level < 1) {
    return `Can not provide versionLevel: ${level} less than 1 without setting the SAFE downgradeType in the request.`;
  }
  return 'Could not apply finalized feature update because the provided feature is not supported.';
}
