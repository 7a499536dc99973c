/** What the console says no to, in the languages that its page speaks: one that lacks a language does not compile. */

/** The languages of the page. */
export type Language = 'en' | 'ko';

/** Each in every language; values stand in braces. */
export const REFUSALS = {
  noCluster: {
    en: 'There is no cluster {name} here: there {n?is|are} {all}',
    ko: '{name} 클러스터는 여기에 없습니다. 있는 클러스터: {all}',
  },
  noTopic: {
    en: 'There is no topic {topic} in {cluster}: it may have been deleted',
    ko: '{cluster}에 {topic} 토픽이 없습니다. 삭제되었을 수 있습니다.',
  },
  noGroup: {
    en: 'There is no group {group} in {cluster}: it may have been deleted',
    ko: '{cluster}에 {group} 그룹이 없습니다. 삭제되었을 수 있습니다.',
  },
  noBroker: {
    en: 'Broker {id} is not in {cluster}, or is down: there {n?is|are} {all}',
    ko: '{cluster}에 브로커 {id}번이 없거나 다운되었습니다. 있는 브로커: {all}',
  },
  noPartition: {
    en: '{topic} has no partition {partition}: its partitions are numbered from 0 to {last}',
    ko: '{topic}에 파티션 {partition}번이 없습니다. 파티션 번호는 0부터 {last}까지입니다.',
  },
  noRecord: {
    en: 'There is no record at offset {offset} of {topic}-{partition}: it was deleted, or never was',
    ko: '{topic}-{partition}의 오프셋 {offset}에 레코드가 없습니다. 삭제되었거나 처음부터 없었습니다.',
  },
  notRead: {
    en: 'Offset {offset} of {topic}-{partition} could not be read: its leader is gone, or does not answer. Try again in a moment',
    ko: '{topic}-{partition}의 오프셋 {offset}을(를) 읽지 못했습니다. 리더가 없거나 응답하지 않습니다. 잠시 후 다시 시도하세요.',
  },
  noAddress: { en: 'There is no {method} {path}', ko: '없는 주소입니다: {method} {path}' },
  noEnds: {
    en: 'Nothing was moved: where {n?partition|partitions} {all} of {topic} {n?ends|end} is not known, for {n?its leader is gone, or does|their leaders are gone, or do} not answer. Move the others by hand, or try again in a moment',
    ko: '옮기지 않았습니다. {topic}의 파티션 {all}은(는) 리더가 없거나 응답하지 않아 끝을 알 수 없습니다. 나머지는 파티션마다 직접 옮기거나 잠시 후 다시 시도하세요.',
  },
  nothingHere: { en: 'There is nothing here', ko: '여기에는 아무것도 없습니다.' },
  noFile: { en: 'There is no such file of the page', ko: '페이지에 그런 파일이 없습니다.' },
  badAddress: {
    en: 'The address cannot be read: a `%` in it stands before two hexadecimal digits',
    ko: '주소를 읽을 수 없습니다. `%` 뒤에는 16진수 두 자리가 와야 합니다.',
  },
  badField: { en: '{field}: {what}', ko: '{field} 값이 올바르지 않습니다. ({what})' },
  badRequest: {
    en: 'What was sent is no JSON that can be taken, or has a field called __proto__ or constructor',
    ko: '보낸 내용이 올바른 JSON이 아니거나, __proto__ 또는 constructor라는 필드가 있습니다.',
  },
  tooLarge: { en: 'What was sent is too large', ko: '보낸 내용이 너무 큽니다.' },
  addressTooLong: { en: 'The address is too long', ko: '주소가 너무 깁니다.' },
  noJson: {
    en: 'Changes are sent as application/json',
    ko: '변경은 application/json으로 보내야 합니다.',
  },
  badCursor: {
    en: 'The cursor is none that this console has given',
    ko: '이 콘솔이 알려 준 커서가 아닙니다.',
  },
  notConfirmed: {
    en: 'Type {name} to confirm: this cannot be undone',
    ko: '되돌릴 수 없습니다. 확인하려면 이름을 입력하세요: {name}',
  },
  noHeader: {
    en: 'The record has no header {n}: it has {all}, counted from 0',
    ko: '레코드에 헤더 {n}이(가) 없습니다. 헤더는 {all}개이며 0부터 셉니다.',
  },
  noRegistry: {
    en: 'There is no schema {schema}: this cluster has no registry here',
    ko: '스키마 {schema}번이 없습니다. 이 클러스터에 연결된 레지스트리가 없습니다.',
  },
  schemaMisfit: {
    en: 'It does not fit schema {id}, and was not sent: {why}',
    ko: '스키마 {id}에 맞지 않아 보내지 않았습니다. {why}',
  },
  masked: {
    en: 'Fields of {topic} are hidden here: its records can be sent again to it as they are, and neither edited nor sent to another topic',
    ko: '{topic}에는 여기서 가려진 필드가 있습니다. 편집하지 않고 같은 토픽으로만 다시 보낼 수 있습니다.',
  },
  changedMeanwhile: {
    en: 'Somebody else has changed {name} meanwhile: it is {value} now. Look at it again before you change it',
    ko: '그사이 다른 사람이 {name} 값을 바꾸었습니다. 지금 값은 {value}입니다. 다시 확인한 뒤 바꾸세요.',
  },
  unsetMeanwhile: {
    en: 'Somebody else has changed {name} meanwhile: it is not set now. Look at it again before you change it',
    ko: '그사이 다른 사람이 {name} 값을 지웠습니다. 다시 확인한 뒤 바꾸세요.',
  },
  notAsShown: {
    en: 'Nothing was moved: {n?partition|partitions} {all} of {topic} would not go as was shown any more, for the group has committed or records were deleted meanwhile. Look at it again before you move it',
    ko: '옮기지 않았습니다. 그사이 그룹이 커밋했거나 레코드가 삭제되어 {topic}의 파티션 {all}이(가) 보여 드린 것과 다릅니다. 다시 확인한 뒤 옮기세요.',
  },
  changesBusy: {
    en: 'Too many changes of {name} wait for one another: try again in a moment',
    ko: '{name}에 대한 변경이 몰리고 있습니다. 잠시 후 다시 시도하세요.',
  },
  readOnly: {
    en: 'This console only shows; it was started with --read-only (a broker with --console-read-only)',
    ko: '이 콘솔은 읽기 전용입니다. --read-only(브로커는 --console-read-only)로 시작되었습니다.',
  },
  noRole: {
    en: 'This takes the role {role}, and {who} has {has}',
    ko: '{role} 역할이 필요합니다.',
  },
  noRoleOn: {
    en: 'This takes the role {role} on the {on} {name}, and {who} has {has}',
    ko: '{name}에 대한 {role} 역할이 필요합니다.',
  },
  noRoleAtAll: {
    en: '{user} has logged in, and has no role here: ask who runs the console',
    ko: '{user}님은 로그인했지만 여기에 역할이 없습니다. 콘솔 운영자에게 문의하세요.',
  },
  foreignHost: {
    en: 'The console is not {name}: ask for localhost, or start it with --allow-host {name} (a broker with --console-allow-host {name})',
    ko: '이 콘솔의 주소가 아닙니다: {name}. localhost로 접속하거나 --allow-host {name}(브로커는 --console-allow-host {name}) 옵션으로 시작하세요.',
  },
  foreignQuestion: {
    en: "Questions are taken from this console's own pages only",
    ko: '이 콘솔의 페이지에서 온 요청만 받습니다.',
  },
  foreignChange: {
    en: "Changes are taken from this console's own pages only",
    ko: '이 콘솔의 페이지에서 온 변경만 받습니다.',
  },
  loginNeeded: { en: 'Name and password, please', ko: '이름과 비밀번호를 입력하세요.' },
  sessionEnded: {
    en: 'Your session has ended: log in again',
    ko: '세션이 끝났습니다. 다시 로그인하세요.',
  },
  loginFailed: { en: 'The login failed, {why}', ko: '로그인하지 못했습니다. ({why})' },
  beyondLoopback: {
    en: 'Without a login the console is for this machine alone: start it with --users FILE, or come through an SSH tunnel',
    ko: '로그인이 없는 콘솔은 이 컴퓨터에서만 쓸 수 있습니다. --users FILE로 시작하거나 SSH 터널로 접속하세요.',
  },
  throughProxy: {
    en: 'A proxy has brought this here ({by}), and without a login the console is for this machine alone: start it with --users FILE or --oidc FILE (a broker with --console-users FILE or --console-oidc FILE), or come through an SSH tunnel',
    ko: '프록시를 거친 요청입니다({by}). 로그인이 없는 콘솔은 이 컴퓨터에서만 쓸 수 있습니다. --users FILE 또는 --oidc FILE(브로커는 --console-users FILE 또는 --console-oidc FILE)로 시작하거나 SSH 터널로 접속하세요.',
  },
  loginsBusy: {
    en: 'Too many logins are being looked at: try again in a moment',
    ko: '로그인이 몰리고 있습니다. 잠시 후 다시 시도하세요.',
  },
  ownReads: {
    en: 'You have {n} {n?read|reads} going on, which is as many as one may: stop one of them, or try again in a moment',
    ko: '읽기를 {n}개까지만 동시에 할 수 있습니다. 하나를 중지하거나 잠시 후 다시 시도하세요.',
  },
  allReads: {
    en: '{n} {n?read goes|reads go} on: stop one of them, or try again in a moment',
    ko: '읽기 {n}개가 진행 중입니다. 하나를 중지하거나 잠시 후 다시 시도하세요.',
  },
  ownExports: {
    en: 'You have {n} {n?file|files} being written, which is as many as one may: stop one of them, or wait until it is done',
    ko: '파일을 {n}개까지만 동시에 내보낼 수 있습니다. 하나를 중지하거나 끝날 때까지 기다리세요.',
  },
  allExports: {
    en: '{n} {n?file is|files are} being written: wait until one of them is done',
    ko: '파일 {n}개를 내보내는 중입니다. 하나가 끝날 때까지 기다리세요.',
  },
  ownSearches: {
    en: 'You have {n} {n?search|searches} going on, which is as many as one may: stop one of them, or try again in a moment',
    ko: '검색을 {n}개까지만 동시에 할 수 있습니다. 하나를 중지하거나 잠시 후 다시 시도하세요.',
  },
  allSearches: {
    en: '{n} {n?search goes|searches go} on: stop one of them, or try again in a moment',
    ko: '검색 {n}개가 진행 중입니다. 하나를 중지하거나 잠시 후 다시 시도하세요.',
  },
  filterFailed: { en: 'The filter cannot be used: {why}', ko: '필터를 쓸 수 없습니다. {why}' },
  filterSlow: {
    en: 'The filter cannot be used: it took more than {n} {n?second|seconds} over a few records',
    ko: '필터를 쓸 수 없습니다. 레코드 몇 개에 {n}초 넘게 걸렸습니다.',
  },
  filterLate: {
    en: 'The filter cannot be used: its thread did not start',
    ko: '필터를 쓸 수 없습니다. 스레드가 시작되지 않았습니다.',
  },
  filterEnded: { en: 'The filter cannot be used: it was ended', ko: '필터를 쓸 수 없습니다. 중단되었습니다.' },
  pathTooLong: {
    en: 'The filter cannot be used: the path is too long',
    ko: '필터를 쓸 수 없습니다. 경로가 너무 깁니다.',
  },
  pathStart: {
    en: 'The filter cannot be used: a path begins with $, key or headers, as in $.customer.id = 7 or headers.trace.id',
    ko: '필터를 쓸 수 없습니다. 경로는 $.customer.id = 7처럼 $로 시작합니다. 키는 key, 헤더는 headers.trace.id처럼 시작합니다.',
  },
  pathStep: {
    en: 'The filter cannot be used: "{step}" is no step of a path',
    ko: '필터를 쓸 수 없습니다. "{step}" 부분은 경로로 읽을 수 없습니다.',
  },
  inside: { en: 'Something failed inside ({code})', ko: '콘솔 내부에서 오류가 났습니다. ({code})' },
  unreachable: {
    en: 'The server does not answer',
    ko: '서버가 응답하지 않습니다.',
  },
} as const satisfies Readonly<Record<string, Readonly<Record<Language, string>>>>;

/** What is said no to. */
export type RefusalWord = keyof typeof REFUSALS;

/** A refusal that can be said in any language. */
export interface Said {
  readonly word: RefusalWord;
  readonly values: Readonly<Record<string, string | number>>;
}

/** A refusal in words. */
export function refusalIn(language: Language, { word, values }: Said): string {
  return filled(REFUSALS[word][language], values);
}

/**
 * A text with its values: `{n}` is the value itself, `{n?partition|partitions}` the first where it is one and else the second.
 * `shownAs` makes of a value what is shown of it.
 */
export function filled(text: string, values: Said['values'], shownAs = (value: string): string => value): string {
  return text.replace(
    /\{(\w+)(?:\?([^{}|]*)\|([^{}|]*))?\}/g,
    (_, name: string, one: string | undefined, many: string) => {
      const value = String(values[name] ?? '');
      if (one === undefined) return shownAs(value);
      return value === '1' ? one : many;
    },
  );
}

/** Whether it is one of these, and not of a server of another version. */
export function isSaid(said: Said | undefined): said is Said {
  return said !== undefined && Object.hasOwn(REFUSALS, said.word);
}
