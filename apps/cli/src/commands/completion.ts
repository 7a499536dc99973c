import type { Argument, Command, Option } from 'commander';
import { CommandContext, type GlobalOptions } from '../context.ts';
import { profileNames } from '../profiles.ts';

/** A word that could stand next, with what it means. */
export interface Candidate {
  readonly word: string;
  readonly meaning: string;
}

/** What could stand where the cursor is: one of these words, or the path of a file. */
export interface Completion {
  readonly candidates: readonly Candidate[];
  readonly files: boolean;
}

/** Names that only a cluster or the profiles know. */
type Names = 'topics' | 'groups' | 'profiles';

/** Looks such names up; none where they cannot be had. */
export type LookUp = (names: Names) => Promise<readonly string[]>;

const NOTHING: Completion = { candidates: [], files: false };

/** The first line of what the shells are told where they are to complete a file's path themselves. */
const FILES_MARK = ':files';

/**
 * What could stand next, from the descriptions of the commands themselves.
 * @param words What stands after the program's name; the last one is being typed and may be empty.
 */
export async function complete(program: Command, words: readonly string[], lookUp: LookUp): Promise<Completion> {
  const typed = words.at(-1) ?? '';
  const { command, pending, positionals } = walk(program, words.slice(0, -1));
  if (pending !== undefined) return matching(await valuesOf(pending, lookUp), typed);
  if (typed.startsWith('-')) return matching({ candidates: optionsOf(command), files: false }, typed);
  if (command.commands.length > 0 && positionals.length === 0) {
    return matching({ candidates: subcommandsOf(command), files: false }, typed);
  }
  const expected = command.registeredArguments;
  const last = expected.at(-1);
  const argument = expected[positionals.length] ?? (last?.variadic === true ? last : undefined);
  if (argument === undefined) return NOTHING;
  return matching(await argumentValues(argument, command, positionals, lookUp), typed);
}

interface Walk {
  readonly command: Command;
  readonly pending: Option | undefined;
  readonly positionals: readonly string[];
  /** What options were given, by the names that commander has for them. */
  readonly values: ReadonlyMap<string, string>;
}

/** Where the words lead: to which command, and whether an option waits for its value. */
function walk(program: Command, words: readonly string[]): Walk {
  let command = program;
  let pending: Option | undefined;
  const positionals: string[] = [];
  const values = new Map<string, string>();
  for (const word of words) {
    if (pending !== undefined) {
      values.set(pending.attributeName(), word);
      pending = undefined;
      continue;
    }
    if (word.startsWith('-')) {
      const option = findOption(command, word);
      const at = word.indexOf('=');
      if (option?.required === true && at < 0) pending = option;
      else if (option !== undefined && at >= 0) values.set(option.attributeName(), word.slice(at + 1));
      continue;
    }
    const next =
      positionals.length === 0
        ? command.commands.find((each) => each.name() === word || each.aliases().includes(word))
        : undefined;
    if (next === undefined) positionals.push(word);
    else command = next;
  }
  return { command, pending, positionals, values };
}

/** An option of the command, or of one above it. */
function findOption(command: Command, word: string): Option | undefined {
  const flag = word.split('=', 1)[0]!;
  const own = command.options.find((option) => option.long === flag || option.short === flag);
  return own ?? (command.parent === null ? undefined : findOption(command.parent, word));
}

function optionsOf(command: Command): Candidate[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .concat(command.parent === null ? [] : (command.configureHelp().visibleGlobalOptions?.(command) ?? []))
    .map((option) => ({ word: option.long ?? option.short ?? '', meaning: option.description }));
}

function subcommandsOf(command: Command): Candidate[] {
  const visible = command.createHelp().visibleCommands(command);
  return visible.map((each) => ({ word: each.name(), meaning: each.summary() || each.description() }));
}

/** Options whose value is one of these names. */
const OPTION_NAMES: Readonly<Record<string, Names>> = {
  '--topic': 'topics',
  '--topics': 'topics',
  '--group': 'groups',
  '--profile': 'profiles',
};

/** What options and arguments call the path of something. */
const PATH = /^\[?<?(?:file|folder)(?:\.\.\.)?/;

async function valuesOf(option: Option, lookUp: LookUp): Promise<Completion> {
  if (option.argChoices !== undefined) return ofWords(option.argChoices);
  const names = OPTION_NAMES[option.long ?? ''];
  if (names !== undefined) return ofWords(await lookUp(names));
  const value = /[<[].*$/.exec(option.flags)?.[0] ?? '';
  return PATH.test(value) ? { candidates: [], files: true } : NOTHING;
}

async function argumentValues(
  argument: Argument,
  command: Command,
  before: readonly string[],
  lookUp: LookUp,
): Promise<Completion> {
  if (argument.argChoices !== undefined) return ofWords(argument.argChoices);
  const name = argument.name();
  if (PATH.test(name)) return { candidates: [], files: true };
  const names = namesOf(name, command, before);
  return names === undefined ? NOTHING : ofWords((await lookUp(names)).filter((word) => !before.includes(word)));
}

function namesOf(argument: string, command: Command, before: readonly string[]): Names | undefined {
  const parent = command.parent?.name();
  if (argument === 'topic') return 'topics';
  if (argument === 'group') return 'groups';
  if (argument === 'profile') return 'profiles';
  // A name that is to be new cannot be known.
  if (argument === 'name' && parent === 'topics' && command.name() !== 'create') return 'topics';
  return argument === 'name' && parent === 'configs' && before[0] === 'topic' ? 'topics' : undefined;
}

function ofWords(words: readonly string[]): Completion {
  return { candidates: words.map((word) => ({ word, meaning: '' })), files: false };
}

function matching({ candidates, files }: Completion, typed: string): Completion {
  return { candidates: candidates.filter(({ word }) => word.startsWith(typed)), files };
}

/** Answers a shell: a candidate a line, with a tab before what it means. */
export async function printCompletions(
  context: CommandContext,
  program: Command,
  words: readonly string[],
): Promise<void> {
  const asked = new CommandContext(context.io, clusterOptionsOf(program, words));
  const { candidates, files } = await complete(program, words, (names) => lookUp(asked, names));
  const lines = candidates.map(({ word, meaning }) => `${word}\t${meaning.replace(/\s+/g, ' ')}\n`);
  await context.out.write(files ? `${FILES_MARK}\n` : lines.join(''));
}

/** The options on the line that say which cluster is meant: its names are the ones to choose from. */
function clusterOptionsOf(program: Command, words: readonly string[]): GlobalOptions {
  const { values } = walk(program, words.slice(0, -1));
  return {
    bootstrapServer: values.get('bootstrapServer'),
    commandConfig: values.get('commandConfig'),
    profile: values.get('profile'),
  };
}

/** Somebody waits with a finger on the tab key: what cannot be had at once is left out, without a word. */
async function lookUp(context: CommandContext, names: Names): Promise<readonly string[]> {
  try {
    if (names === 'profiles') return await profileNames(context.io.env);
    return await context.withAdmin(async (admin) =>
      names === 'topics' ? admin.listTopics() : (await admin.listGroups()).map(({ groupId }) => groupId),
    );
  } catch {
    return [];
  }
}

export type Shell = 'bash' | 'zsh' | 'fish';

const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `# millrace completion for bash: in ~/.bashrc, \`source <(millrace completion bash)\`
_millrace() {
  local lines word
  COMPREPLY=()
  mapfile -t lines < <(millrace __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  if [[ \${lines[0]} == '${FILES_MARK}' ]]; then
    compopt -o default
    return
  fi
  for word in "\${lines[@]}"; do COMPREPLY+=("\${word%%$'\\t'*}"); done
}
complete -F _millrace millrace
`,
  zsh: `#compdef millrace
# millrace completion for zsh: in ~/.zshrc after compinit, \`source <(millrace completion zsh)\`
_millrace() {
  local -a lines candidates
  local line name told
  lines=("\${(@f)$(millrace __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ \${lines[1]} == '${FILES_MARK}' ]]; then
    _files
    return
  fi
  for line in "\${lines[@]}"; do
    [[ -n $line ]] || continue
    name="\${\${line%%$'\\t'*}//:/\\\\:}" told=''
    [[ $line == *$'\\t'* ]] && told="\${line#*$'\\t'}"
    candidates+=("$name\${told:+:$told}")
  done
  _describe 'millrace' candidates
}
compdef _millrace millrace
`,
  fish: `# millrace completion for fish: \`millrace completion fish > ~/.config/fish/completions/millrace.fish\`
function __millrace_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l lines (millrace __complete -- $words[2..-1] 2>/dev/null)
  if test "$lines[1]" = '${FILES_MARK}'
    __fish_complete_path (commandline -ct)
  else
    printf '%s\\n' $lines
  end
end
complete -c millrace -f -a '(__millrace_complete)'
`,
};

/** The script that has a shell ask this program. */
export async function printScript(context: CommandContext, shell: Shell): Promise<void> {
  await context.out.write(SCRIPTS[shell]);
}
