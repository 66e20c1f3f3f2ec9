import { Argument, Command } from 'commander';
import type { CommandKit } from '../program.ts';

/** What may follow each command path (`''` is the program itself): subcommands, then options. */
export function wordsByPath(program: Command): Map<string, string[]> {
  const words = new Map<string, string[]>();
  const globals = program.options.flatMap((option) => option.long ?? []);
  const visit = (command: Command, path: string): void => {
    const own = command === program ? [] : command.options.flatMap((option) => option.long ?? []);
    words.set(path, [...command.commands.map((child) => child.name()), ...own, ...globals, '--help']);
    for (const child of command.commands) visit(child, path === '' ? child.name() : `${path} ${child.name()}`);
  };
  visit(program, '');
  return words;
}

const cases = (words: Map<string, string[]>): string =>
  [...words].map(([path, list]) => `    "${path}") words="${list.join(' ')}" ;;`).join('\n');

const bash = (words: Map<string, string[]>): string => `# eval "$(robust-ctl completion bash)"
_robust_ctl() {
  local path="" word words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    [[ "$word" == -* ]] && continue
    case " ${[...words.keys()]
      .filter(Boolean)
      .map((path) => path.replaceAll(' ', '/'))
      .join(' ')} " in
      *" \${path:+\${path// //}/}$word "*) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path" in
${cases(words)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _robust_ctl robust-ctl
`;

const zsh = (words: Map<string, string[]>): string => `#compdef robust-ctl
# eval "$(robust-ctl completion zsh)"
autoload -U +X bashcompinit && bashcompinit
${bash(words).split('\n').slice(1).join('\n')}`;

const fish = (words: Map<string, string[]>): string => {
  const lines = [...words].flatMap(([path, list]) => {
    const parts = path.split(' ').filter(Boolean);
    const seen = parts.map((part) => `__fish_seen_subcommand_from ${part}`).join('; and ');
    const children = list.filter((word) => !word.startsWith('-'));
    const notYet = children.length > 0 ? `not __fish_seen_subcommand_from ${children.join(' ')}` : '';
    const condition = [seen, notYet].filter(Boolean).join('; and ') || 'true';
    return list.map((word) =>
      word.startsWith('--')
        ? `complete -c robust-ctl -n '${condition}' -l ${word.slice(2)}`
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
    .action((shell: keyof typeof SHELLS) => kit.terminal.out(SHELLS[shell](wordsByPath(program))));
