import { Argument, type Command } from 'commander';
import { runSession } from '../session.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

export function addCompletion(program: Command): void {
  program
    .command('completion')
    .description('print what completes commands and options in your shell')
    .addArgument(new Argument('<shell>', 'which').choices(SHELLS))
    .addHelpText(
      'after',
      `
Examples:
  source <(connector-state completion bash)
  connector-state completion zsh > ~/.zfunc/_connector-state
  connector-state completion fish > connector-state.fish`,
    )
    .action((shell: Shell, options: { readonly json?: boolean }) =>
      runSession(options.json === true, async ({ out }) => {
        const script = SCRIPTS[shell](wordsOf(program));
        out.data({ shell, script }, () => script);
      }),
    );
}

interface Word {
  readonly name: string;
  readonly description: string;
}

interface CommandWords extends Word {
  readonly options: readonly Word[];
}

/** From the commands themselves, so that what is completed is what there is. */
function wordsOf(program: Command): readonly CommandWords[] {
  const help = { name: '--help', description: 'how it is used' };
  return program.commands.map(command => ({
    name: command.name(),
    description: command.description(),
    options: [
      ...command.options
        .filter(option => option.long !== undefined && !option.hidden)
        .map(option => ({ name: option.long as string, description: option.description })),
      help,
    ],
  }));
}

/** In single quotes of any of the three shells. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
/** zsh takes a colon for the end of the word. */
const zshQuoted = ({ name, description }: Word): string =>
  quoted(`${name.replaceAll(':', '\\:')}:${description}`);

const SCRIPTS: Readonly<Record<Shell, (commands: readonly CommandWords[]) => string>> = {
  bash: commands => `# connector-state completion for bash
_connector_state() {
  local word="\${COMP_WORDS[COMP_CWORD]}" words
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    words='${commands.map(({ name }) => name).join(' ')} --help --version'
  else
    case "\${COMP_WORDS[1]}" in
${commands.map(({ name, options }) => `      ${name}) words='${options.map(option => option.name).join(' ')}' ;;`).join('\n')}
      *) words='--help' ;;
    esac
    if [[ "$word" != -* ]]; then
      COMPREPLY=($(compgen -f -- "$word"))
      return
    fi
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -F _connector_state connector-state`,

  zsh: commands => `#compdef connector-state
# connector-state completion for zsh
_connector_state() {
  local command="\${words[2]}"
  local -a candidates
  if (( CURRENT == 2 )); then
    candidates=(
${commands.map(command => `      ${zshQuoted(command)}`).join('\n')}
    )
    _describe 'command' candidates
    return
  fi
  case "$command" in
${commands.map(({ name, options }) => `    ${name}) candidates=(${options.map(zshQuoted).join(' ')}) ;;`).join('\n')}
  esac
  if [[ "\${words[CURRENT]}" == -* ]]; then
    _describe 'option' candidates
  else
    _files
  fi
}
if [ "$funcstack[1]" = "_connector_state" ]; then
  _connector_state "$@"
else
  compdef _connector_state connector-state
fi`,

  fish: commands => `# connector-state completion for fish
complete -c connector-state -n __fish_use_subcommand -f
${commands
  .map(
    ({ name, description, options }) =>
      `complete -c connector-state -n __fish_use_subcommand -f -a ${name} -d ${quoted(description)}\n${options
        .map(
          option =>
            `complete -c connector-state -n '__fish_seen_subcommand_from ${name}' -l ${option.name.slice(2)} -d ${quoted(option.description)}`,
        )
        .join('\n')}`,
  )
  .join('\n')}`,
};
