import type { Instant } from '../model/instant.ts'
import type { ServerFacts } from '../model/partition-tree.ts'
import type {
  AttachOperation,
  CreateOperation,
  DetachOperation,
  DropOperation,
  FinalizeOperation,
  Operation,
  ReadmitOperation,
  UnmarkOperation,
} from '../plan/operation.ts'
import type { Adoption } from '../sql/adopt.ts'
import type { LockBudget } from '../sql/lock-budget.ts'
import type { TableMeasure } from '../sql/statement.ts'
import type { Logger } from './logger.ts'
import type { OperationCourse } from './operation-course.ts'
import type { Patience } from './patience.ts'

/** What an operation is carried out with. */
export interface RunContext {
  /** As read with the tree that was planned from. */
  readonly server: Pick<ServerFacts, 'database' | 'deadlockTimeoutMs' | 'shortestDeadlockTimeoutMs'>
  readonly signal?: AbortSignal
  /** Stands in for the server's clock in the marker. */
  readonly now?: Instant
  /** What is left of the run's time to try again for locks; without it each call has all of it. */
  readonly patience?: Patience
  readonly logger?: Logger
  /** Is told of what the operation waits for. */
  readonly course?: OperationCourse
}

export interface OperationResult {
  /** `raced`: somebody else had done the same first, and what is there is as wanted. */
  readonly status: 'done' | 'raced'
  /** The OID of the partition, where the operation learned it. */
  readonly oid?: string
  /** Rows moved out of DEFAULT. */
  readonly rowsMoved?: number
}

/**
 * Carries out one operation at a time; the only place that changes the database.
 *
 * Each method opens its own connection and commits at once. Each looks again, under lock, at what the operation's
 * guard says, and throws (`PlanStaleError` and others) without changing anything when it has moved.
 */
export interface PartitionRepository {
  readonly markerPrefix: string
  /** The zone of the DDL transactions; null leaves the server's. */
  readonly ddlTimezone: string | null
  /** What a run may cost others; left out, nothing is priced and nothing is tried again. */
  readonly budget?: LockBudget
  createPartition(operation: CreateOperation, run: RunContext): Promise<OperationResult>
  attachPartition(operation: AttachOperation, run: RunContext): Promise<OperationResult>
  finalizeDetach(operation: FinalizeOperation, run: RunContext): Promise<OperationResult>
  detachPartition(operation: DetachOperation, run: RunContext): Promise<OperationResult>
  dropPartition(operation: DropOperation, run: RunContext): Promise<OperationResult>
  unmarkPartition(operation: UnmarkOperation, run: RunContext): Promise<OperationResult>
  /** Takes the CHECK off DEFAULT that excludes a range from it. */
  readmitRange(operation: ReadmitOperation, run: RunContext): Promise<OperationResult>
  /** Marks a detached table as one that the tool may drop, when it can have been a partition; gives how large it is. */
  adoptPartition(adoption: Adoption, run: RunContext): Promise<TableMeasure>
  /** The statements of an operation as text for a reader; the same that the methods send. */
  renderOperation(operation: Operation, server: RunContext['server']): string
}

/** Calls the repository's method for the operation's kind. */
export function carryOut(
  repository: PartitionRepository,
  operation: Operation,
  run: RunContext,
): Promise<OperationResult> {
  switch (operation.kind) {
    case 'create':
      return repository.createPartition(operation, run)
    case 'attach':
      return repository.attachPartition(operation, run)
    case 'finalize':
      return repository.finalizeDetach(operation, run)
    case 'detach':
      return repository.detachPartition(operation, run)
    case 'drop':
      return repository.dropPartition(operation, run)
    case 'unmark':
      return repository.unmarkPartition(operation, run)
    case 'readmit':
      return repository.readmitRange(operation, run)
  }
}
