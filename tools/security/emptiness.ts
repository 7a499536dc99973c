/** Whether a test that is named somewhere shows anything. */

const COMMENT = /\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm;
/** A test that is not run, or whose failure is none; where a machine may lack something, that has to be asked. */
const SWITCHED_OFF =
  /\b(?:xit|xtest|xdescribe)\b|\.(?:skip|todo|fails)\b|\b(?:skipIf|runIf)\(\s*(?:!?\s*(?:true|false|[01])|undefined|null)\s*\)/;

/** Why a file's test of this name shows nothing; undefined where it does. */
export function emptinessOf(text: string, name: string): string | undefined {
  const code = text.replaceAll(COMMENT, '');
  if (!code.includes(`'${name}`)) return 'has no such test';
  const off = SWITCHED_OFF.exec(code)?.[0];
  return off === undefined ? undefined : `has a test that is switched off (${off})`;
}
