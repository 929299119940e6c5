import { libraryPage } from './library-page.ts'
import { locksPage, operationsPage } from './operation-pages.ts'
import type { GeneratedPage } from './page.ts'
import { cliPage, errorsPage, findingsPage, optionsPage } from './reference-pages.ts'

export type { GeneratedPage } from './page.ts'

/** Every page that is made from the code. */
export function generatedPages(): readonly GeneratedPage[] {
  return [
    optionsPage(),
    cliPage(),
    libraryPage(),
    findingsPage(),
    errorsPage(),
    operationsPage(),
    locksPage(),
  ]
}
