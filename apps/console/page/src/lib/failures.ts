import { isSaid, type Language, refusalIn } from '../../../src/api/refusals.ts';
import { ApiError } from './api-error.ts';

/** What went wrong, for the reader, and the words of whoever said so, where those are in another language. */
export interface FailureText {
  readonly text: string;
  readonly original?: string | undefined;
}

/** What clusters and SDKs say no to, in Korean, by the code that stays; the first that fits. */
const KOREAN: readonly (readonly [RegExp, string])[] = [
  [/AUTHORIZATION_FAILED$/, '클러스터에서 이 작업을 할 권한이 없습니다.'],
  [/^KAFKA_SECURITY_DISABLED$/, '이 클러스터에는 권한 관리가 켜져 있지 않습니다.'],
  [/^KAFKA_TOPIC_ALREADY_EXISTS$/, '같은 이름의 토픽이 이미 있습니다.'],
  [/^KAFKA_INVALID_TOPIC_EXCEPTION$/, '토픽에 쓸 수 없는 이름입니다.'],
  [/^KAFKA_UNKNOWN_TOPIC/, '그런 토픽이나 파티션이 없습니다.'],
  [/^KAFKA_INVALID_PARTITIONS$/, '파티션 수가 올바르지 않습니다.'],
  [/^KAFKA_INVALID_REPLICATION_FACTOR$/, '복제본 수가 올바르지 않습니다.'],
  [/^KAFKA_INVALID_CONFIG$/, '설정값이 올바르지 않습니다.'],
  [/^KAFKA_POLICY_VIOLATION$/, '클러스터의 정책이 허용하지 않습니다.'],
  [/^KAFKA_TOPIC_DELETION_DISABLED$/, '이 클러스터에서는 토픽을 삭제할 수 없습니다.'],
  // A group that has members answers the move of its offsets with the second.
  [
    /^KAFKA_(?:NON_EMPTY_GROUP|UNKNOWN_MEMBER_ID|GROUP_SUBSCRIBED_TO_TOPIC)$/,
    '그룹에 멤버가 있어 지금은 할 수 없습니다.',
  ],
  [/^KAFKA_GROUP_ID_NOT_FOUND$/, '그런 그룹이 없습니다.'],
  [/^KAFKA_REBALANCE_IN_PROGRESS$/, '그룹이 리밸런싱 중입니다. 잠시 후 다시 시도하세요.'],
  [/^KAFKA_UNACCEPTABLE_CREDENTIAL$/, '이 이름이나 비밀번호는 쓸 수 없습니다.'],
  [/^KAFKA_(?:RESOURCE|TRANSACTIONAL_ID)_NOT_FOUND$/, '찾는 항목이 없습니다.'],
  [/^(?:KAFKA_(?:MESSAGE|RECORD_LIST)|PRODUCER_RECORD)_TOO_LARGE$/, '메시지가 너무 큽니다.'],
  [/^KAFKA_NOT_ENOUGH_REPLICAS/, '동기화된 복제본이 부족합니다.'],
  [/^KAFKA_THROTTLING_QUOTA_EXCEEDED$/, '쿼터를 초과했습니다. 잠시 후 다시 시도하세요.'],
  [/^KAFKA_UNSUPPORTED_VERSION$|^NETWORK_UNSUPPORTED_VERSION$/, '이 클러스터의 버전은 이 기능을 지원하지 않습니다.'],
  [/^NETWORK_(?:AUTHENTICATION|TLS)_FAILED$/, '콘솔이 클러스터에 로그인하지 못했습니다.'],
  [
    /^(?:CLIENT_TIMED_OUT|CLIENT_NO_BROKER|NETWORK_|PRODUCER_DELIVERY_TIMED_OUT|KAFKA_(?:REQUEST_TIMED_OUT|LEADER_NOT_AVAILABLE|BROKER_NOT_AVAILABLE|COORDINATOR_))/,
    '클러스터가 응답하지 않습니다.',
  ],
  [/_INVALID_(?:ARGUMENT|OPTION|RECORD)$|^KAFKA_INVALID_/, '올바르지 않은 값입니다.'],
  [/^ADMIN_ITEMS_FAILED$/, '일부를 처리하지 못했습니다.'],
  [/^KAFKA_/, '클러스터가 요청을 거부했습니다.'],
];
const OTHERWISE = '콘솔에서 오류가 났습니다.';

/** A failure in the reader's language. */
export function failureIn(language: Language, error: Error): FailureText {
  if (error instanceof ApiError && isSaid(error.said)) return { text: refusalIn(language, error.said) };
  if (language === 'en') return { text: error.message };
  const code = error instanceof ApiError ? error.code : '';
  return { text: KOREAN.find(([pattern]) => pattern.test(code))?.[1] ?? OTHERWISE, original: error.message };
}
