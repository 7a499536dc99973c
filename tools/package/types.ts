/**
 * Asks are-the-types-wrong about a tarball: whether those who import it find its types, and types of what they load. In this process
 * for all packages, because its compiler takes most of the time to get going.
 */
import { checkPackage, createPackageFromTarballData, type ResolutionKind } from '@arethetypeswrong/core';
import { problemKindInfo } from '@arethetypeswrong/core/problems';

/** Ways to find modules that a package of ES modules for the Nodes we promise need not serve. */
const IGNORED: readonly ResolutionKind[] = ['node10', 'node16-cjs'];

/** What is wrong, a line each; empty when nothing is. */
export async function wrongTypes(tarball: Uint8Array): Promise<string[]> {
  const found = await checkPackage(createPackageFromTarballData(new Uint8Array(tarball)));
  if (found.types === false) return [];
  return found.problems.flatMap((problem) => {
    const resolution = 'resolutionKind' in problem ? problem.resolutionKind : undefined;
    if (resolution !== undefined && IGNORED.includes(resolution)) return [];
    const { title, docsUrl } = problemKindInfo[problem.kind];
    return [`are the types wrong: ${title} (${docsUrl}): ${JSON.stringify(problem)}`];
  });
}
