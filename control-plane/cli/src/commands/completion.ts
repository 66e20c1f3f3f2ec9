import { Argument, Command, type Option } from 'commander';
import type { CommandKit } from '../program.ts';

/** What a command takes. */
interface Choice {
  /** Subcommands, then options, that may follow it. */
  readonly words: readonly string[];
  /** Its options that take a value, short and long, with the values where there are only a few. */
  readonly values: ReadonlyMap<string, readonly string[]>;
}

const longs = (options: readonly Option[]): string[] => options.flatMap((option) => option.long ?? []);

const valuesOf = (options: readonly Option[]): Map<string, readonly string[]> =>
  new Map(
    options
      .filter((option) => option.required || option.optional)
      .flatMap((option) =>
        [option.short, option.long]
          .filter((flag) => flag !== undefined)
          .map((flag) => [flag, option.argChoices ?? []] as const),
      ),
  );

/** What may follow each command path (`''` is the program itself). */
function choicesByPath(program: Command): Map<string, Choice> {
  const choices = new Map<string, Choice>();
  const visit = (command: Command, path: string): void => {
    const options = command === program ? program.options : [...command.options, ...program.options];
    const words = [...command.commands.map((child) => child.name()), ...longs(options), '--help'];
    choices.set(path, { words, values: valuesOf(options) });
    for (const child of command.commands) visit(child, path === '' ? child.name() : `${path} ${child.name()}`);
  };
  visit(program, '');
  return choices;
}

const wordCases = (choices: Map<string, Choice>): string =>
  [...choices].map(([path, { words }]) => `    "${path}") words="${words.join(' ')}" ;;`).join('\n');

/** `path option` of every option with a value, as patterns of one shell `case`: its value is no command. */
const valueCases = (choices: Map<string, Choice>): string =>
  [...choices]
    .flatMap(([path, { values }]) =>
      [...values].map(([flag, few]) => `    "${path} ${flag}") values="${few.join(' ')}" ;;`),
    )
    .join('\n');

// Bash splits words at `=` and `:`, so `--server=http://h` is five of them.
const bash = (choices: Map<string, Choice>): string => `# eval "$(robust-ctl completion bash)"
_robust_ctl_value() {
  values=""
  case "$1 $2" in
${valueCases(choices)}
    *) return 1 ;;
  esac
}
_robust_ctl() {
  local path="" word words="" values="" value=0 i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    if [[ "$word" == "=" || "$word" == ":" ]]; then
      value=1
    elif ((value)); then
      value=0
    elif [[ "$word" == -* ]]; then
      _robust_ctl_value "$path" "$word" && value=1
    else
      case " ${[...choices.keys()]
        .filter(Boolean)
        .map((path) => path.replaceAll(' ', '/'))
        .join(' ')} " in
        *" \${path:+\${path// //}/}$word "*) path="\${path:+$path }$word" ;;
      esac
    fi
  done
  if ((value)); then
    words="$values"
  else
    case "$path" in
${wordCases(choices)}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _robust_ctl robust-ctl
`;

const zsh = (choices: Map<string, Choice>): string => `#compdef robust-ctl
# eval "$(robust-ctl completion zsh)"
autoload -U +X bashcompinit && bashcompinit
${bash(choices).split('\n').slice(1).join('\n')}`;

/** fish's words for an option that takes a value. */
const valueOf = (few: readonly string[] | undefined): string => {
  if (few === undefined) return '';
  return few.length === 0 ? ' -r' : ` -x -a '${few.join(' ')}'`;
};

const fish = (choices: Map<string, Choice>): string => {
  const lines = [...choices].flatMap(([path, { words: list, values }]) => {
    const parts = path.split(' ').filter(Boolean);
    const seen = parts.map((part) => `__fish_seen_subcommand_from ${part}`).join('; and ');
    const children = list.filter((word) => !word.startsWith('-'));
    const notYet = children.length > 0 ? `not __fish_seen_subcommand_from ${children.join(' ')}` : '';
    const condition = [seen, notYet].filter(Boolean).join('; and ') || 'true';
    return list.map((word) =>
      word.startsWith('--')
        ? `complete -c robust-ctl -n '${condition}' -l ${word.slice(2)}${valueOf(values.get(word))}`
        : `complete -c robust-ctl -f -n '${condition}' -a ${word}`,
    );
  });
  return `# robust-ctl completion fish | source\n${lines.join('\n')}\n`;
};

const SHELLS = { bash, zsh, fish } as const;

/** completion bash | zsh | fish: a script made from the commands themselves. */
export const completionCommand = (kit: CommandKit, program: Command): Command =>
  new Command('completion')
    .description('print a completion script: eval "$(robust-ctl completion bash)"')
    .addArgument(new Argument('<shell>').choices(Object.keys(SHELLS)))
    .action((shell: keyof typeof SHELLS) => kit.terminal.out(SHELLS[shell](choicesByPath(program))));
