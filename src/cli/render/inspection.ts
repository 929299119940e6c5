import { Instant, type PartitionState, type TableInspection } from '../../index.ts'
import { wrap } from './columns.ts'
import { renderDefaultRows } from './default-rows.ts'
import { renderFindings } from './findings.ts'
import { edgesOf, formatInstant, hasOffset } from './moment.ts'
import { renderPartitions } from './partition-table.ts'
import { counted, formatSize, formatSpan } from './quantities.ts'
import type { Page } from './style.ts'
import { tableHeader, type TableWishes } from './table-header.ts'
import { renderTimeline } from './timeline.ts'

export interface InspectionView extends TableWishes {
  readonly inspection: TableInspection
}

/** One table for people: the picture, the partitions, how long they last, what is not as wanted. */
export function renderInspection(
  { inspection, ...wishes }: InspectionView,
  page: Page,
  options: { readonly all: boolean } = { all: false },
): readonly string[] {
  const { timeZone } = wishes.config
  const picture = renderTimeline(inspection, page, { timeZone })
  return [
    ...tableHeader(wishes, page),
    '',
    ...picture,
    ...(picture.length > 0 ? [''] : []),
    ...renderPartitions(inspection.partitions, page, { timeZone, all: options.all }),
    '',
    ...wrap(describeRunway(inspection, timeZone), { first: '  ', columns: page.columns }),
    ...describeDetached(inspection).map((line) => `  ${line}`),
    ...renderDefaultRows(inspection, page, { timeZone, all: options.all }),
    '',
    ...renderFindings(inspection.findings, page, options),
  ]
}

/** How long inserts go on finding a partition. */
export function describeRunway(
  { runway, partitions, hasDefault, periodsUnknown, findings }: TableInspection,
  timeZone: string,
): string {
  if (periodsUnknown === true) {
    const why = findings.find(({ severity }) => severity === 'error')?.code
    return `How long partitions last is not known, because the table is not as configured${why === undefined ? '' : ` (${why})`}.`
  }
  const fallback = hasDefault ? ' Rows go to the DEFAULT partition after that.' : ''
  if (runway === undefined) {
    return `No partition exists for the present moment.${hasDefault ? ' New rows go to the DEFAULT partition.' : ' Inserts fail.'}`
  }
  if (runway.until === 'infinity') return 'Partitions exist without an end.'
  const instants = partitions.some(({ boundText }) => hasOffset(edgesOf(boundText)?.from ?? ''))
  const until = formatInstant(Instant.from(runway.until), instants ? timeZone : 'UTC')
  return `Partitions exist until ${until}, ${formatSpan(BigInt(runway.microseconds))} from now.${fallback}`
}

function describeDetached({ partitions }: TableInspection): readonly string[] {
  const of = (state: PartitionState): TableInspection['partitions'] =>
    partitions.filter((partition) => partition.state === state)
  const detached = of('detached')
  const halfBuilt = of('half-built')
  const bytes = detached.reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0)
  const known = detached.every(({ sizeBytes }) => sizeBytes !== undefined)
  return [
    ...(detached.length > 0
      ? [
          `${counted(detached.length, 'detached table')}${known ? ` (${formatSize(bytes)})` : ''} not dropped yet.`,
        ]
      : []),
    ...(halfBuilt.length > 0
      ? [`${counted(halfBuilt.length, 'table')} built and never attached; the next run tidies up.`]
      : []),
  ]
}
