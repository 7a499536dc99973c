/** `node tools/layers/main.ts`: holds the checkout against the rules in rules.ts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { listFiles, readSources, report, root } from '../source/index.ts';
import { checkLayers, type Manifest } from './check.ts';
import { checkCircles } from './circles.ts';

const manifests: Manifest[] = listFiles()
  .filter((path) => path.endsWith('package.json'))
  .map((path) => {
    const content = JSON.parse(readFileSync(join(root, path), 'utf8'));
    const dependencies = { ...content.dependencies, ...content.peerDependencies, ...content.optionalDependencies };
    return { path, name: content.name ?? path, dependencies: Object.keys(dependencies) };
  });
const sources = readSources();
report('layers', [...checkLayers(sources, manifests), ...checkCircles(sources)], sources.length);
