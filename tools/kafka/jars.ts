/** Fetches Apache Kafka's jars with Maven into a cache outside the checkout, once per version. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Kafka 3.9 is the last line that also speaks the oldest versions of the APIs; 4.x is the current one. */
export const KAFKA_3 = '3.9.1';
export const KAFKA_4 = '4.1.0';

/** Where jars are kept: `$MILLRACE_CACHE`, else `$XDG_CACHE_HOME/millrace`, else `~/.cache/millrace`. */
export function cacheFolder(): string {
  const base = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  return process.env.MILLRACE_CACHE ?? join(base, 'millrace');
}

/** A jar by its coordinates. */
type Artifact = readonly [group: string, artifact: string, version: string];

/**
 * The class path of a version of Kafka, fetched if it is not there yet. slf4j-simple takes the place of the logging
 * back ends, so that one system property sets what is logged.
 *
 * @throws Error when Maven cannot be run or cannot fetch.
 */
export function kafkaClassPath(version: string): Promise<string> {
  return classPath('kafka', version, [
    ['org.apache.kafka', 'kafka_2.13', version],
    ['org.apache.kafka', 'kafka-tools', version],
    ['org.slf4j', 'slf4j-simple', '1.7.36'],
  ]);
}

/** The class path of Kafka Streams. */
export function kafkaStreamsClassPath(version: string): Promise<string> {
  return classPath('kafka-streams', version, [
    ['org.apache.kafka', 'kafka-streams', version],
    ['org.slf4j', 'slf4j-simple', '1.7.36'],
  ]);
}

/** The class path of a release of ZooKeeper's server, with what it asks of those who run it. */
export function zooKeeperClassPath(version: string): Promise<string> {
  return classPath('zookeeper', version, [
    ['org.apache.zookeeper', 'zookeeper', version],
    ['io.dropwizard.metrics', 'metrics-core', '4.1.12.1'],
    ['org.xerial.snappy', 'snappy-java', '1.1.10.5'],
  ]);
}

async function classPath(name: string, version: string, artifacts: readonly Artifact[]): Promise<string> {
  const libs = join(cacheFolder(), name, version);
  if (!existsSync(libs)) await fetchJars(name, libs, artifacts);
  return join(libs, '*');
}

async function fetchJars(name: string, libs: string, artifacts: readonly Artifact[]): Promise<void> {
  const parent = join(cacheFolder(), name);
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, '.fetch-'));
  try {
    writeFileSync(join(folder, 'pom.xml'), pom(artifacts));
    const args = ['-q', '-B', 'dependency:copy-dependencies', `-DoutputDirectory=${join(folder, 'libs')}`];
    await maven(args, folder);
    // Renamed whole, so that a fetch that was cut off, or ran twice at once, never looks complete.
    renameSync(join(folder, 'libs'), libs);
  } catch (error) {
    if (!existsSync(libs)) throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function maven(args: string[], cwd: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('mvn', args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output += chunk;
    });
    child.on('error', (cause) => {
      reject(new Error('Fetching jars needs Maven: install it (Debian: apt-get install maven)', { cause }));
    });
    child.on('close', (code) => {
      if (code === 0) {
        resolve();
      } else {
        reject(new Error(`mvn ${args.join(' ')} ended with ${code}:\n${output}`));
      }
    });
  });
}

function pom(artifacts: readonly Artifact[]): string {
  const dependency = ([group, artifact, version]: Artifact): string =>
    `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version>` +
    '<exclusions><exclusion><groupId>org.slf4j</groupId><artifactId>slf4j-reload4j</artifactId></exclusion></exclusions>' +
    '</dependency>';
  return [
    '<project xmlns="http://maven.apache.org/POM/4.0.0">',
    '<modelVersion>4.0.0</modelVersion><groupId>local</groupId><artifactId>jars</artifactId><version>1</version>',
    '<dependencies>',
    ...artifacts.map(dependency),
    '</dependencies>',
    '</project>',
  ].join('\n');
}
