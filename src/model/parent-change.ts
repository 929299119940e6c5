/**
 * What a parent has and a partition whose detach is pending has not: the parent was changed meanwhile, and such a
 * change does not reach that partition.
 */
export type ParentChange =
  /** `surplus`: columns of the same type that only the partition has; one of them may have been renamed. */
  | { readonly kind: 'column'; readonly column: string; readonly surplus: readonly string[] }
  /** `was`: the type that the partition still has, with its modifiers. */
  | { readonly kind: 'type'; readonly column: string; readonly was: string }
  | { readonly kind: 'check'; readonly constraint: string }
  /** `primaryKey`: the constraint that brought it, and without which it cannot be taken back. */
  | { readonly kind: 'not-null'; readonly column: string; readonly primaryKey: string | undefined }

/** From this version on the server matches partition and parent before it finishes a detach; earlier ones do not. */
export const firstThatMatches = 180_000
