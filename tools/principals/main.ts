/**
 * `node tools/principals/main.ts`: has Java name the subjects of certificates (`X500Principal.getName`) and Apache Kafka's own class
 * apply mapping rules to names, and writes the answers down for the tests of `@millrace/network`; then compares rules that chance makes
 * with ours. Needs `java` and openssl.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { principalMapping } from '@millrace/network';
import { KAFKA_3, kafkaClassPath } from '../kafka/index.ts';
import { REFUSED_RULES, RULES, randomRules } from './rules.ts';
import { encodedSubject, OPENSSL_SUBJECTS, SUBJECTS } from './subjects.ts';

const RANDOM = 20_000;
const SEED = 20_261_130;

const program = fileURLToPath(new URL('./Principals.java', import.meta.url));
const fixture = fileURLToPath(new URL('../../packages/network/fixtures/java-principals.json', import.meta.url));
const classPath = await kafkaClassPath(KAFKA_3);

/** Null where Java throws. */
function answersOf(kind: string, questions: readonly (readonly (string | Buffer)[])[]): (string | null)[] {
  const encoded = (part: string | Buffer): string => Buffer.from(part as string).toString('base64');
  const input = questions.map((parts) => [kind, ...parts.map(encoded)].join(' ')).join('\n');
  const args = ['-Dorg.slf4j.simpleLogger.defaultLogLevel=error', '-Xss16m', '-cp', classPath, program];
  const output = execFileSync('java', args, { input, encoding: 'utf8', maxBuffer: 2 ** 28 });
  const lines = output.trimEnd().split('\n');
  return lines.map((line) => (line === '!' ? null : Buffer.from(line, 'base64').toString()));
}

function certificate([subject = '', ...options]: readonly string[], folder: string): Buffer {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', join(folder, 'key')];
  const out = ['-outform', 'DER', '-out', join(folder, 'certificate')];
  const args = ['req', '-x509', ...key, '-days', '36500', '-subj', subject, ...options, ...out];
  execFileSync('openssl', args, { stdio: 'pipe' });
  return readFileSync(join(folder, 'certificate'));
}

function told([rules, name]: readonly [string, string]): string | null {
  try {
    return principalMapping(rules)(name) ?? null;
  } catch (error) {
    return `${error instanceof SyntaxError ? 'refused' : 'broken'}: ${(error as Error).message}`;
  }
}

function compareRandom(): number {
  const rules = randomRules(SEED, RANDOM);
  const ofJava = answersOf('rule', rules);
  const counts = { same: 0, refused: 0, none: 0, differs: 0 };
  for (const [at, rule] of rules.entries()) {
    const ours = told(rule);
    const isRefused = ours?.startsWith('refused') === true;
    if (isRefused) counts.refused += 1;
    else if (ours !== ofJava[at]) {
      counts.differs += 1;
      if (counts.differs <= 20) {
        console.log(`${JSON.stringify(rule)}: Java ${JSON.stringify(ofJava[at])}, ours ${JSON.stringify(ours)}`);
      }
    } else counts[ours === null ? 'none' : 'same'] += 1;
  }
  console.log(`${RANDOM} rules of chance (seed ${SEED}):`, counts);
  return counts.differs;
}

const folder = mkdtempSync(join(tmpdir(), 'principals-'));
try {
  const subjects = SUBJECTS.map(encodedSubject);
  const certificates = OPENSSL_SUBJECTS.map((subject) => certificate(subject, folder));
  const named = (kind: string, each: readonly Buffer[]): object[] => {
    const names = answersOf(
      kind,
      each.map((bytes) => [bytes]),
    );
    return each.map((bytes, at) => ({ bytes: bytes.toString('base64'), name: names[at] }));
  };
  const answered = (rules: typeof RULES): object[] => {
    const answers = answersOf('rule', rules);
    return rules.map(([rule, name], at) => ({ rules: rule, name, principal: answers[at] }));
  };
  const answers = {
    subjects: named('subject', subjects),
    certificates: named('certificate', certificates),
    rules: answered(RULES),
    refusedRules: answered(REFUSED_RULES),
  };
  writeFileSync(fixture, `${JSON.stringify(answers, null, 2)}\n`);
  console.log(`${SUBJECTS.length} subjects, ${OPENSSL_SUBJECTS.length} certificates, as Java names them: ${fixture}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = compareRandom() === 0 ? 0 : 1;
