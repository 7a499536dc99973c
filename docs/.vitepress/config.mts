/** The documentation as a site: `pnpm docs:site` builds it, `pnpm --filter @millrace/docs dev` shows it while one writes. */
import { defineConfig } from 'vitepress';

const REPOSITORY = 'https://github.com/millrace/millrace';

/** Pages that the site has of its own, by what the repository has of the same. */
const OF_THE_SITE: readonly (readonly [RegExp, string])[] = [
  [/^\.\.\/packages\/(producer|consumer|admin|serdes|testing|client)\/README\.md$/, '/api/$1'],
  [/^\.\.\/apps\/broker\/README\.md#metrics$/, '/reference/metrics'],
  [/^\.\.\/packages\/protocol\/README\.md$/, '/reference/protocol'],
  [/^\.\.\/packages\/protocol\/src\/error-codes\.ts$/, '/reference/errors'],
];

/** Where a link that leads out of `docs` goes on the site: only the repository has the other files. */
function siteLink(href: string): string {
  const [from, to] = OF_THE_SITE.find(([pattern]) => pattern.test(href)) ?? [];
  if (from !== undefined && to !== undefined) return href.replace(from, to);
  return href.replace('../', `${REPOSITORY}/blob/main/`);
}

export default defineConfig({
  title: 'Millrace',
  description: 'Kafka for the Node world: a broker, SDKs and a console in TypeScript.',
  cleanUrls: true,
  srcExclude: ['examples/**', 'package.json'],
  lastUpdated: false,
  // What is started on the reader's own machine; all other links are followed by the build, and by a test.
  ignoreDeadLinks: 'localhostLinks',
  markdown: {
    config(md) {
      // The references are made when the site is built. In the repository a page leads to what is there, and on the site to these.
      md.core.ruler.push('repository-links', (state) => {
        for (const token of state.tokens.flatMap(({ children }) => children ?? [])) {
          const href = token.attrGet('href');
          if (token.type === 'link_open' && href?.startsWith('../')) {
            token.attrSet('href', siteLink(href));
          }
        }
      });
    },
  },
  themeConfig: {
    search: { provider: 'local' },
    // The switch of languages leads to the other's first page: not every page is there in both.
    i18nRouting: false,
    socialLinks: [{ icon: 'github', link: REPOSITORY }],
  },
  locales: {
    root: {
      label: 'English',
      lang: 'en',
      themeConfig: {
        nav: [
          { text: 'Start', link: '/start' },
          { text: 'Operating', link: '/operating' },
          { text: 'Reference', link: '/reference/broker-settings' },
          { text: 'API', link: '/api/' },
        ],
        sidebar: [
          {
            text: 'Begin',
            items: [
              { text: 'Start', link: '/start' },
              { text: 'First steps', link: '/first-steps' },
              { text: 'Concepts', link: '/concepts' },
              { text: 'In programs', link: '/programs' },
              { text: 'In tests', link: '/testing' },
              { text: 'With a Kafka tutorial open', link: '/kafka-commands' },
              { text: 'Coming from kafkajs', link: '/coming-from-kafkajs' },
            ],
          },
          {
            text: 'Run',
            items: [
              { text: 'Operating', link: '/operating' },
              { text: 'The console', link: '/console' },
              { text: 'When something does not work', link: '/troubleshooting' },
              { text: 'Kubernetes', link: '/kubernetes' },
              { text: 'Security', link: '/security' },
              { text: 'When data is safe', link: '/durability' },
              { text: 'How it is tested', link: '/how-it-is-tested' },
              { text: 'Moving from Kafka', link: '/kafka-to-millrace' },
              { text: 'What is compatible', link: '/compatibility' },
              { text: 'Supported versions', link: '/versions' },
            ],
          },
          {
            text: 'Reference',
            items: [
              { text: "The broker's settings", link: '/reference/broker-settings' },
              { text: "A topic's settings", link: '/reference/topic-settings' },
              { text: 'The command line', link: '/reference/cli' },
              { text: 'Metrics', link: '/reference/metrics' },
              { text: 'The protocol', link: '/reference/protocol' },
              { text: "Kafka's errors", link: '/reference/errors' },
              { text: 'The packages', link: '/api/' },
            ],
          },
        ],
      },
    },
    ko: {
      label: '한국어',
      lang: 'ko',
      themeConfig: {
        nav: [
          { text: '시작하기', link: '/ko/start' },
          { text: '개념', link: '/ko/concepts' },
        ],
        sidebar: [
          {
            text: '시작',
            items: [
              { text: '시작하기', link: '/ko/start' },
              { text: '개념', link: '/ko/concepts' },
            ],
          },
        ],
      },
    },
  },
});
