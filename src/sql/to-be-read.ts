/**
 * Keeps the text of a plan from being run as a script: it looks like one, and what is decided at run time is only
 * announced in it. Run so, a partition would be detached without its marker and never be known again.
 *
 * The first statement fails with the reason, which ends what stops at an error. psql goes on by default, so it is made to
 * skip the rest; pasted into psql, too, where `\quit` would let what follows fall into the shell. For every other client
 * `\if` is no SQL.
 */
export function toBeRead(text: string): string {
  return text === '' ? '' : `${head}\n\n${text}\n\\endif\n`
}

const head = String.raw`-- To be read, not run: the checks that are made at run time, and the markers, are only announced here.
-- To carry it out: pg-partsmith plan --save FILE, then pg-partsmith apply --plan FILE
DO $$ BEGIN RAISE EXCEPTION 'This text is to be read, not run.' USING HINT = 'Use: pg-partsmith apply --plan FILE'; END $$;
\if false`
