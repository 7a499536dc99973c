/** The documentation is whole: its references name all there is, its links lead somewhere, its examples run, its metrics exist. */
import { execFile } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { brokerConfigTable } from '@millrace/broker';
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { ErrorCode } from '@millrace/protocol';
import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { KAFKA_3, KAFKA_4 } from '../kafka/index.ts';
import { root } from '../source/index.ts';
import { apiPages } from './api-pages.ts';
import { references } from './references.ts';

const DOCS = join(root, 'docs');

let written: ReadonlyMap<string, string>;
beforeAll(async () => {
  written = new Map([...(await references()), ...apiPages()]);
}, 240_000);

describe('the references', () => {
  it('name every setting, command and metric, each on a line of its own', () => {
    const settings = written.get('reference/broker-settings.md') ?? '';
    for (const [name, { isInternal }] of Object.entries(brokerConfigTable)) {
      expect(settings.includes(`\n| \`${name}\` |`), name).toBe(isInternal !== true);
    }
    expect(written.get('reference/topic-settings.md')).toContain('| `cleanup.policy` | list | `delete` |');
    expect(written.get('reference/cli.md')).toContain('\n### millrace topics create\n');
    expect(written.get('reference/cli.md')).toContain('--partitions');
    expect(written.get('reference/protocol.md')).toMatch(/^- Produce 0-\d+$/m);
  });

  it("name each of Kafka's errors, with what is to be done about those that people meet", () => {
    const errors = written.get('reference/errors.md') ?? '';
    expect(errors).toContain('| 19 | `KAFKA_NOT_ENOUGH_REPLICAS` | yes | fewer replicas are in sync');
    for (const name of Object.keys(ErrorCode)) expect(errors).toContain(`\`KAFKA_${name}\``);
  });

  it('have a page for each published package with what it gives, and with nothing of its inside', () => {
    for (const path of globSync('{packages,apps}/*/package.json', { cwd: root })) {
      const { name } = JSON.parse(readFileSync(join(root, path), 'utf8')) as { name: string };
      const text = written.get(`api/${name.replace('@millrace/', '')}.md`) ?? '';
      expect(text, name).toContain(`# ${name}\n`);
      expect(text.match(/^## /gm)?.length, name).toBeGreaterThan(0);
      expect(text).not.toMatch(/^\s+#\w/m);
    }
    const producer = written.get('api/producer.md') ?? '';
    expect(producer).toContain('## Producer\n');
    // What a method does and throws is what one looks for.
    expect(producer).toMatch(/@throws[^/]*\*\/\n {2}send\(/);
    expect(written.get('api/console.md')).toMatch(/Throws ConsoleError[\s\S]*Example:\n\n```ts/);
  });
});

describe('the pages', () => {
  const pages = globSync('**/*.md', {
    cwd: DOCS,
    exclude: (path) => /node_modules|^(?:api|reference)(?:\/|$)/.test(path),
  });

  /** Headings as anchors, as the site makes them. */
  const anchorsOf = (text: string): string[] =>
    [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s-]/gu, ' ')
        .trim()
        .replaceAll(/\s+/g, '-'),
    );
  /** What a page is made of, whatever its language: levels of headings, blocks by their kind, pictures, tables by their size. */
  const partsOf = (text: string): string[] => {
    const part = /^```(\w*)\n[\s\S]*?^```|^(#+) |^!\[.*\]\((?:.*\/)?(.+)\)|^\|.*\n\|[-|]+\n((?:\|.*\n)*)/gm;
    return [...text.matchAll(part)].map(([all, kind, level, picture, rows = '']) => {
      if (kind !== undefined) return `\`\`\`${kind}`;
      if (level !== undefined || picture !== undefined) return level ?? picture ?? '';
      const columns = (/^\|[-|]+$/m.exec(all)?.[0].split('|').length ?? 2) - 2;
      return `${columns} columns, ${rows.split('\n').length - 1} rows`;
    });
  };
  const linksOf = (text: string) => text.replaceAll(/```[\s\S]*?```/g, '').matchAll(/\]\(([^)\s]+)\)/g);
  const textOf = (path: string): string | undefined =>
    written.get(path) ?? (existsSync(join(DOCS, path)) ? readFileSync(join(DOCS, path), 'utf8') : undefined);

  it.each(pages)('%s leads in the repository to what is kept there, and not to what only the site has', (page) => {
    for (const [, target = ''] of linksOf(textOf(page) ?? '')) {
      const [path = ''] = target.split('#');
      if (path === '' || target.startsWith('http')) continue;
      const file = relative(DOCS, join(DOCS, dirname(page), path));
      expect(file, `${page}: ${target}`).not.toMatch(/^(?:api|reference)\//);
      expect(existsSync(join(DOCS, file)), `${page}: ${target}`).toBe(true);
    }
  });

  it.each(pages)('%s leads nowhere that is not there', (page) => {
    const text = textOf(page) ?? '';
    for (const [, target = ''] of linksOf(text)) {
      if (/^https?:\/\/localhost/.test(target)) continue;
      if (target.startsWith('http')) {
        // What is in this repository can be looked for.
        const [, path, anchor] = /\/millrace\/(?:blob|tree)\/main\/([^#]+)(?:#(.*))?$/.exec(target) ?? [];
        if (path === undefined) continue;
        expect(existsSync(join(root, path)), `${page}: ${target}`).toBe(true);
        if (anchor !== undefined) expect(anchorsOf(readFileSync(join(root, path), 'utf8'))).toContain(anchor);
        continue;
      }
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? page : relative(DOCS, join(DOCS, dirname(page), path));
      const found = file.startsWith('..') ? existsSync(join(DOCS, file)) : textOf(file) !== undefined;
      expect(found, `${page}: ${target}`).toBe(true);
      if (anchor === undefined) continue;
      const led = file.startsWith('..') ? readFileSync(join(DOCS, file), 'utf8') : textOf(file);
      expect(anchorsOf(led ?? ''), `${page}: ${target}`).toContain(anchor);
    }
    for (const [, path = ''] of text.matchAll(/^<<< @\/(\S+)$/gm))
      expect(existsSync(join(DOCS, path)), path).toBe(true);
  });

  it('are changed for the same page in another language only where it is there', () => {
    const config = readFileSync(join(DOCS, '.vitepress/config.mts'), 'utf8');
    const isSwitchedInPlace = !config.includes('i18nRouting: false');
    const english = pages.filter((page) => !page.startsWith('ko/'));
    const untranslated = english.filter((page) => !existsSync(join(DOCS, 'ko', page)));
    expect(isSwitchedInPlace ? untranslated : []).toEqual([]);
    expect(existsSync(join(DOCS, 'ko/index.md'))).toBe(true);
  });

  it('are each in the menu of the site, and the menu leads to nothing else', () => {
    const config = readFileSync(join(DOCS, '.vitepress/config.mts'), 'utf8');
    const links = new Set([...config.matchAll(/link: '\/([^']*)'/g)].map(([, path = '']) => path));
    for (const link of links) expect(textOf(link === 'api/' ? 'api/index.md' : `${link}.md`), link).toBeDefined();
    const unlinked = pages
      .map((page) => page.replace(/\.md$/, ''))
      .filter((page) => !links.has(page) && !page.endsWith('index'));
    expect(unlinked).toEqual([]);
  });

  it('say which versions are supported as the packages say it', () => {
    const [, page = ''] = /\| Node\.js \| from (\S+) on/.exec(textOf('versions.md') ?? '') ?? [];
    const manifests = globSync('{packages,apps}/*/package.json', { cwd: root });
    expect(manifests.length).toBeGreaterThan(10);
    for (const path of manifests) {
      const { engines } = JSON.parse(readFileSync(join(root, path), 'utf8')) as { engines?: { node?: string } };
      expect(engines?.node, path).toBe(`>=${page}`);
    }
    const [, compiler = ''] = /\| TypeScript, [^|]*\| (\d+)\./.exec(textOf('versions.md') ?? '') ?? [];
    const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      devDependencies: Record<string, string>;
    };
    expect(own.devDependencies['typescript']).toMatch(new RegExp(`^\\^${compiler}\\.`));
    for (const version of [KAFKA_3, KAFKA_4]) expect(textOf('versions.md')).toContain(version);
  });

  it('say of every code of the SDKs what has happened, and name none that there is not', () => {
    const text = textOf('troubleshooting.md') ?? '';
    const sources = globSync('packages/{client,producer,consumer,admin,serdes}/src/errors.ts', { cwd: root });
    const codes = [...sources, 'packages/network/src/errors.ts'].flatMap((path) =>
      [...readFileSync(join(root, path), 'utf8').matchAll(/'([A-Z]+_[A-Z_]+)'/g)].map(([, code = '']) => code),
    );
    const inRow = [...text.matchAll(/^\| (`[A-Z]+_[^|]*) \|/gm)].flatMap(
      ([, cell = '']) => cell.match(/[A-Z_]+/g) ?? [],
    );
    const own = (of: readonly string[]) =>
      [...new Set(of)].filter((code) => /^(?:CLIENT|NETWORK|PRODUCER|CONSUMER|ADMIN|SERDE)_/.test(code)).sort();
    // A broker has one of the network's own, where it listens.
    const ofBrokers = new Set(['NETWORK_ADDRESS_IN_USE', 'NETWORK_LISTEN_FAILED']);
    expect(own(inRow)).toEqual(own(codes).filter((code) => !ofBrokers.has(code)));
    for (const [, name = ''] of text.matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)) {
      expect([...codes, ...Object.keys(ErrorCode), 'KAFKA_STORAGE_ERROR'], name).toContain(name);
    }
  });

  it('have YAML that can be read', () => {
    const blocks = pages.flatMap((page) => [...(textOf(page) ?? '').matchAll(/^ *```yaml\n([\s\S]*?)^ *```/gm)]);
    expect(blocks.length).toBeGreaterThan(1);
    for (const [, block = ''] of blocks) {
      for (const document of parseAllDocuments(block)) expect(document.errors, block).toEqual([]);
    }
  });

  it.each(globSync('ko/*.md', { cwd: DOCS }).map((page) => page.slice('ko/'.length)))(
    'in Korean have the same parts as the English ones, in the same order: %s',
    (page) => {
      expect(textOf(`ko/${page}`)).toMatch(/[가-힣]/);
      expect(partsOf(textOf(`ko/${page}`) ?? '')).toEqual(partsOf(textOf(page) ?? ''));
    },
  );

  it('are told apart by a heading, a block, a picture or a table that one of them lacks', () => {
    const page = '# A\n\n```sh\n# no heading\n```\n\n## B\n\n![c](c.png)\n\n| d | e |\n|---|---|\n| f | g |\n';
    expect(partsOf(page)).toEqual(['#', '```sh', '##', 'c.png', '2 columns, 1 rows']);
  });
});

describe('monitoring', () => {
  it.each(['grafana/millrace.json', 'grafana/alerts.yaml'])('%s asks for metrics that a broker has', (file) => {
    const text = readFileSync(join(DOCS, file), 'utf8');
    const known = written.get('reference/metrics.md') ?? '';
    const asked = new Set([...text.matchAll(/\b(?:kafka|millrace)_\w+/g)].map(([name]) => name));
    expect(asked.size).toBeGreaterThan(5);
    for (const name of asked)
      expect(known, name).toContain(
        `\`${name.replace(/_(?:bucket|sum|count)$/, (end) => (known.includes(`\`${name}\``) ? end : ''))}\``,
      );
  });

  it('has panels that do not lie upon one another', () => {
    const { panels } = JSON.parse(readFileSync(join(DOCS, 'grafana/millrace.json'), 'utf8')) as {
      panels: { gridPos: { x: number; y: number; w: number; h: number } }[];
    };
    const taken = new Set<string>();
    for (const { gridPos } of panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect(taken.has(`${x} ${y}`)).toBe(false);
          expect(x).toBeLessThan(24);
          taken.add(`${x} ${y}`);
        }
      }
    }
  });
});

describe('the examples', () => {
  let broker: TestBroker;
  beforeAll(async () => {
    broker = await startBroker({ topics: ['words', 'upper-words', 'invoices', 'invoices.dead-letters'] });
    await using producer = new Producer({ bootstrapServers: broker.bootstrapServers });
    await producer.sendBatch([
      { topic: 'words', value: 'mill' },
      { topic: 'invoices', value: '{"total":5}' },
    ]);
    await producer.send({ topic: 'invoices', value: 'no JSON' });
    await producer.send({ topic: 'invoices', value: '{"total":7}' });
  });
  afterAll(() => broker.close());

  function run(name: string): Promise<string> {
    const env = { ...process.env, MILLRACE_BOOTSTRAP: broker.bootstrapServers };
    return new Promise((resolve, reject) => {
      execFile(process.execPath, [join(DOCS, 'examples', name)], { env }, (error, stdout, stderr) =>
        error === null ? resolve(stdout) : reject(new Error(`${name}: ${stderr}`)),
      );
    });
  }

  async function firstOf(topic: string) {
    await using consumer = new Consumer({
      bootstrapServers: broker.bootstrapServers,
      isolationLevel: 'read_committed',
    });
    consumer.assign([{ topic, partition: 0, offset: 0 }]);
    for await (const record of consumer) return record;
    throw new Error('nothing came');
  }

  it('send and read', async () => {
    expect(await run('orders.ts')).toBe('customer-7 wants cake\n');
  });

  it('transform exactly once', async () => {
    expect(await run('copy-exactly-once.ts')).toContain('1 words in one step');
    expect(String((await firstOf('upper-words')).value)).toBe('MILL');
  });

  it('set dead letters aside with where they are from', async () => {
    expect(await run('dead-letters.ts')).toBe('An invoice of 5\nAn invoice of 7\n');
    const { headers } = await firstOf('invoices.dead-letters');
    expect(headers.find(({ key }) => key === 'dead-letter-offset')?.value?.toString()).toBe('1');
  });
});

it('the examples of tests are ones that pass', async () => {
  const folder = join(DOCS, 'examples');
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const args = [vitest, 'run', '--root', folder, '--config', join(folder, 'vitest.config.ts')];
  const output = await new Promise<string>((resolve) => {
    execFile(process.execPath, args, { env: { ...process.env, NO_COLOR: '1' } }, (_, stdout, stderr) =>
      resolve(stdout + stderr),
    );
  });
  expect(output).toMatch(/Tests +2 passed/);
}, 240_000);
