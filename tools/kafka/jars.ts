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

/**
 * The class path of a version of Kafka, fetched if it is not there yet. slf4j-simple takes the place of the logging
 * back ends, so that one system property sets what is logged.
 *
 * @throws Error when Maven cannot be run or cannot fetch.
 */
export async function kafkaClassPath(version: string): Promise<string> {
  const libs = join(cacheFolder(), 'kafka', version);
  if (!existsSync(libs)) {
    await fetchJars(version, libs);
  }
  return join(libs, '*');
}

async function fetchJars(version: string, libs: string): Promise<void> {
  const parent = join(cacheFolder(), 'kafka');
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, '.fetch-'));
  try {
    writeFileSync(join(folder, 'pom.xml'), pom(version));
    const args = ['-q', '-B', 'dependency:copy-dependencies', `-DoutputDirectory=${join(folder, 'libs')}`];
    await maven(args, folder);
    // Renamed whole, so that a fetch that was cut off, or ran twice at once, never looks complete.
    renameSync(join(folder, 'libs'), libs);
  } catch (error) {
    if (!existsSync(libs)) {
      throw error;
    }
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
      reject(new Error('Fetching Kafka needs Maven: install it (Debian: apt-get install maven)', { cause }));
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

function pom(version: string): string {
  const dependency = (group: string, artifact: string, at: string): string =>
    `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${at}</version>` +
    '<exclusions><exclusion><groupId>org.slf4j</groupId><artifactId>slf4j-reload4j</artifactId></exclusion></exclusions>' +
    '</dependency>';
  return [
    '<project xmlns="http://maven.apache.org/POM/4.0.0">',
    '<modelVersion>4.0.0</modelVersion><groupId>local</groupId><artifactId>kafka</artifactId><version>1</version>',
    '<dependencies>',
    dependency('org.apache.kafka', 'kafka_2.13', version),
    dependency('org.apache.kafka', 'kafka-tools', version),
    dependency('org.slf4j', 'slf4j-simple', '1.7.36'),
    '</dependencies>',
    '</project>',
  ].join('\n');
}
