import { majors } from '../support/database.ts'
import { describePage, pagesIn } from '../support/docs/describe-page.ts'

const newest = majors.at(-1) ?? 18

for (const path of [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'examples/README.md',
  ...pagesIn('docs'),
]) {
  describePage(path, { major: newest })
}
