import { sqlComment } from '../model/visible.ts'
import type { Operation } from '../plan/operation.ts'
import { attachStep, createSteps } from './create.ts'
import { beginText } from './begin.ts'
import type { DdlContext } from './ddl-context.ts'
import { detachSteps, finalizeStep, unmarkSteps } from './detach.ts'
import { readmitSteps } from './exclude-from-default.ts'
import { dropSteps } from './drop.ts'
import { proveRangeSteps } from './prove-range.ts'
import { fitSteps } from './fit-to-parent.ts'
import { readable } from './readable.ts'
import type { Action, Step } from './statement.ts'

/** The statements of an operation. `plan --sql` prints them and `apply` runs them; there is no other source. */
export function statements(operation: Operation, context: DdlContext): readonly Step[] {
  switch (operation.kind) {
    case 'create':
      return createSteps(operation, context)
    case 'attach':
      return [
        ...(operation.provesRange
          ? [...fitSteps(operation, context), ...proveRangeSteps(operation, context)]
          : []),
        attachStep(operation, context),
      ]
    case 'finalize':
      return [finalizeStep(operation, context)]
    case 'detach':
      return detachSteps(operation, context)
    case 'drop':
      return dropSteps(operation, context)
    case 'unmark':
      return unmarkSteps(operation, context)
    case 'readmit':
      return readmitSteps(operation, context)
  }
}

/** Renders the statements for a reader: what depends on an answer found at run time stands in a comment. */
export function renderStatements(operation: Operation, context: DdlContext): string {
  const steps = statements(operation, context).map(renderStep)
  return [sqlComment(`${operation.id}: ${operation.reason.text}`), ...steps].join('\n')
}

function renderStep(step: Step): string {
  switch (step.kind) {
    case 'transaction':
      return [
        `${beginText()};`,
        `${readable(step.settings)};`,
        ...step.actions.map(renderAction),
        'COMMIT;',
      ].join('\n')
    case 'command':
      return [
        '-- on a second connection, until the detach is pending or over:',
        `${beginText()};`,
        `${readable(step.pin.settings)};`,
        `${readable(step.pin.lock)};`,
        renderAction(step.pin.check),
        `${readable(step.pin.others.ask).trim()};`,
        sqlComment(`goes on only if ${step.pin.others.expect}`),
        `${readable(step.pin.isPending)}; -- again and again`,
        'COMMIT;',
        '-- meanwhile, outside of a transaction:',
        `${readable(step.before)};`,
        '-- where the platform has it:',
        `${readable(step.watch)};`,
        `${readable(step.statement)};`,
        `${readable(step.after)};`,
        `-- found at run time: where others come to wait behind it once it is pending, it is cancelled for them and finished as a pending detach is: ALTER TABLE .. FINALIZE`,
      ].join('\n')
    case 'repeat':
      return `${readable(step.ask).trim()};\n${sqlComment(`found at run time: ${step.describe}`)}`
  }
}

function renderAction(action: Action): string {
  switch (action.kind) {
    case 'execute':
      return `${readable(action.sql)};`
    case 'locks':
      return action.take(1).map(renderAction).join('\n')
    case 'guard':
      return `${readable(action.ask).trim()};\n${sqlComment(`goes on only if ${action.expect}`)}`
    case 'found':
      return `${readable(action.ask).trim()};\n${sqlComment(`found at run time: ${action.describe}`)}`
  }
}
