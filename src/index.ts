/** The public API: explicit named exports, nothing else. */

export * from './errors.ts'

export { Instant, type InstantLike } from './model/instant.ts'
export type { LocalDate } from './model/local-date.ts'
export {
  BasePeriodCalculator,
  calculatorFor,
  DayPeriodCalculator,
  HourPeriodCalculator,
  MonthPeriodCalculator,
  PartitionGranularity,
  type Period,
  type PeriodCalculator,
  type PeriodCalculatorOptions,
  QuarterPeriodCalculator,
  WeekPeriodCalculator,
  YearPeriodCalculator,
} from './model/calendar.ts'
export { partitionName } from './model/partition-name.ts'
export { type Bound, type BoundEdge, describeBound } from './model/bound.ts'
export { formatBound, parseBound } from './model/bound-text.ts'
export type { Marker, OrphanMarker, BuildingMarker, DamagedMarker } from './model/marker.ts'
export type { ParentChange } from './model/parent-change.ts'
export {
  type DetachedTable,
  type ForeignKey,
  type KeyColumn,
  type ParentTable,
  type Partition,
  type PartitionTree,
  PartitionType,
  type RelationKind,
  type ServerFacts,
} from './model/partition-tree.ts'
export { formatTableName, type TableName } from './model/table-name.ts'
export { sqlComment, visible } from './model/visible.ts'

export { TablePartitionConfig } from './policy/config.ts'
export {
  type DocumentTable,
  type ParsedDocument,
  parseDocument,
  type PartsmithDocument,
  type RuntimeSettings,
} from './policy/document.ts'
export { type Hazard, hazards } from './policy/hazard.ts'
export { documentJsonSchema } from './policy/json-schema.ts'
export { optionReference } from './policy/option-reference.ts'
export {
  type ConfiguredTable,
  type DetachMode,
  type HookPhase,
  PartitionStrategy,
  type PartsmithConfig,
  type TablePartitionOptions,
} from './policy/options.ts'
export { formatPath, type LocatedProblem } from './policy/problem.ts'
export { nearest } from './policy/suggest.ts'

export type {
  Cut,
  DefaultRowsAnswer,
  DefaultRowsCounted,
  DefaultRowsOfPeriod,
  DefaultRowsQuestion,
  DefaultRowsReport,
  KeySpan,
} from './plan/default-report.ts'
export type {
  Evidence,
  EvidenceRequest,
  ReferenceAnswer,
  ReferenceCheck,
  ReferredPartition,
} from './plan/evidence.ts'
export { type Finding, type FindingCode, type FindingSeverity, findingCatalog } from './plan/finding.ts'
export type { TableInspection } from './plan/inspection.ts'
export {
  type AttachOperation,
  type CreateOperation,
  type DetachOperation,
  type DropOperation,
  type FinalizeOperation,
  isDestructive,
  type LockMode,
  type LockUse,
  type Operation,
  type OperationKind,
  operationKinds,
  type RangeText,
  type Reason,
  type ReasonCode,
  type UnmarkOperation,
} from './plan/operation.ts'
export type { PartitionInfo, PartitionState } from './plan/partition-info.ts'
export { type MaintenancePlan, planFromJson, planToJson, type WaitingOperation } from './plan/plan.ts'
export type { Grant } from './plan/grants.ts'
export { describeHolder, type Holder, type LockHolder, nameHolder, type Looker } from './plan/blocker.ts'
export type { TableLockMode } from './plan/lock-conflicts.ts'
export type { OperationBlockers, PlanBlockers } from './plan/plan-blockers.ts'
export { type LockBudget, worstCase } from './sql/lock-budget.ts'
export type { AdoptedTable } from './run/adoptable.ts'
export type { HoldersSeen } from './run/lock-holders.ts'

export type { ClientCapabilities, DatabaseClient, DatabaseConnection, QueryResult } from './run/client.ts'
export { fromPg, type PgPoolLike } from './run/clients/pg.ts'
export { fromPglite, type PgliteLike } from './run/clients/pglite.ts'
export { fromPostgresJs, type PostgresJsLike } from './run/clients/postgres-js.ts'
export type { ClientSource } from './run/clients/to-client.ts'
export { type CommandHookVectors, commandHooks } from './run/command-hooks.ts'
export {
  BasePartitionLifecycleHooks,
  type PartitionEvent,
  type PartitionLifecycleHooks,
} from './run/hooks.ts'
export type { LockLease, LockManager } from './run/lock.ts'
export type { RedisLike } from './run/locks/redis-client.ts'
export { type AdvisoryLockOptions, PostgresAdvisoryLockManager } from './run/locks/advisory.ts'
export { RedisDistributedLockManager, type RedisLockOptions } from './run/locks/redis.ts'
export type { FleetInspection, FleetOptions, FleetPlan, FleetTarget } from './run/fleet.ts'
export { type Logger, silentLogger } from './run/logger.ts'
export { maintainPartitions, PartitionMaintainer } from './run/maintainer.ts'
export type {
  PartitionMetadataProvider,
  ReadOptions,
  TakeReading,
  TreeReading,
} from './run/metadata-provider.ts'
export { createPartsmith, type Partsmith, type PartsmithOptions } from './run/partsmith.ts'
export {
  PostgresMetadataProvider,
  type PostgresMetadataProviderOptions,
} from './run/postgres-metadata-provider.ts'
export {
  PostgresPartitionRepository,
  type PostgresPartitionRepositoryOptions,
} from './run/postgres-repository.ts'
export type { OperationCourse, OperationWait, WaitSeen } from './run/operation-course.ts'
export type { OperationResult, PartitionRepository, RunContext } from './run/repository.ts'
export type {
  MaintenanceIssue,
  MaintenanceIssueStep,
  MaintenanceResult,
  OperationOutcome,
} from './run/result.ts'
export {
  findMissingGrants,
  type GrantWithText,
  type MissingGrantsOptions,
  type TableGrants,
  type TableToMaintain,
} from './run/rights.ts'
export type { ApplyOptions, ConfigInput, RunOutcome } from './run/run-outcome.ts'
export { PartitionLifecycleService, type PartitionLifecycleServiceParts } from './run/service.ts'
export type { PlanOptions } from './run/table-planner.ts'
