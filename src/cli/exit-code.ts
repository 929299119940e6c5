/** What a command tells the shell; scripts may rely on every number. */
export type ExitCode = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 64 | 130 | 143

interface ExitCodeMeaning {
  readonly code: ExitCode
  /** For all commands together. */
  readonly meaning: string
  /** For a command that says nothing of its own, where `meaning` speaks of other commands. */
  readonly ofOne?: string
}

/** Every exit code, from the one that matters least to the one that matters most, with its meaning. */
export const exitCodes: readonly ExitCodeMeaning[] = [
  {
    code: 0,
    meaning: 'Done, and nobody is needed. For `plan` without --check also where something is pending.',
    ofOne: 'Done, and nobody is needed.',
  },
  {
    code: 2,
    meaning:
      'Something is pending (plan --check) or missing (grants --check), or was left undone: not allowed, or not come to.',
    ofOne: 'Something was left undone: not allowed, or not come to.',
  },
  { code: 6, meaning: 'Another maintainer holds the lock of a table.' },
  {
    code: 3,
    meaning: 'A person is needed: findings, operations that were refused or failed, a plan that is stale.',
    ofOne: 'A person is needed: something was found, refused or failed.',
  },
  {
    code: 5,
    meaning: 'The database cannot be reached, refuses the login, or is one that only reads.',
    ofOne: 'The database cannot be reached or refuses the login.',
  },
  {
    code: 4,
    meaning: 'The configuration, a plan file or a given file cannot be used.',
    ofOne: 'The configuration or a given file cannot be used.',
  },
  { code: 1, meaning: 'Something unexpected happened; please report it.' },
  { code: 64, meaning: 'The command line is not right.' },
  { code: 130, meaning: 'Stopped by SIGINT (Ctrl+C), after cleaning up.' },
  { code: 143, meaning: 'Stopped by SIGTERM, SIGQUIT or SIGHUP, after cleaning up.' },
]

/** What a code means after one command: what that says itself, or what is true of every command. */
export function meaningOf(
  { code, meaning, ofOne }: ExitCodeMeaning,
  own: Partial<Readonly<Record<ExitCode, string>>>,
): string {
  return own[code] ?? ofOne ?? meaning
}

/** Of a command that changes something. */
export const needsWriting: Partial<Readonly<Record<ExitCode, string>>> = {
  5: 'The database cannot be reached, refuses the login, or is one that only reads.',
}

/** The one of several codes that matters most, by the order of `exitCodes`; 0 for none. */
export function worstOf(codes: readonly ExitCode[]): ExitCode {
  return codes.reduce<ExitCode>((worst, code) => (rank(code) > rank(worst) ? code : worst), 0)
}

function rank(code: ExitCode): number {
  return exitCodes.findIndex((entry) => entry.code === code)
}
