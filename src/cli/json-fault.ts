/** What is wrong with a text that is not JSON, and at which character. */
export interface JsonFault {
  readonly offset: number
  readonly message: string
}

/** Finds the first character at which a text stops being JSON; the parsers of Node do not always say. */
export function findJsonFault(text: string): JsonFault | undefined {
  const reader = new Reader(text)
  try {
    reader.value()
    reader.end()
    return undefined
  } catch (error) {
    if (error instanceof Fault) return { offset: reader.offset, message: error.message }
    throw error
  }
}

class Fault extends Error {}

const space = /[ \t\n\r]*/y
const literal = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y
// eslint-disable-next-line no-control-regex -- JSON forbids just these in texts
const string = /"(?:[^"\\\u0000-\u001F]|\\(?:["\\/bfnrt]|u[\dA-Fa-f]{4}))*"/y

class Reader {
  offset = 0
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  value(): void {
    this.#take(space)
    if (this.#char() === '{') this.#list('}', 'an object', () => this.#member())
    else if (this.#char() === '[') this.#list(']', 'a list', () => this.value())
    else if (!this.#take(literal) && !this.#take(string)) this.#fail('a value')
    this.#take(space)
  }

  end(): void {
    if (this.offset < this.#text.length) this.#fail('the end of the file')
  }

  #list(close: string, what: string, entry: () => void): void {
    this.offset += 1
    this.#take(space)
    if (this.#char() === close) {
      this.offset += 1
      return
    }
    for (;;) {
      entry()
      if (this.#char() !== ',' && this.#char() !== close) this.#fail(`"," or "${close}" in ${what}`)
      this.offset += 1
      if (this.#text[this.offset - 1] === close) return
    }
  }

  #member(): void {
    this.#take(space)
    if (!this.#take(string)) this.#fail('a key in double quotes')
    this.#take(space)
    if (this.#char() !== ':') this.#fail('":" after the key')
    this.offset += 1
    this.value()
  }

  #char(): string | undefined {
    return this.#text[this.offset]
  }

  #take(token: RegExp): boolean {
    token.lastIndex = this.offset
    const [match] = token.exec(this.#text) ?? []
    this.offset += match?.length ?? 0
    return match !== undefined
  }

  #fail(expected: string): never {
    const [found] = /^(?:[\w.$-]+|[^]?)/u.exec(this.#text.slice(this.offset)) ?? ['']
    if (found === '') throw new Fault(`The file ends here, where ${expected} belongs: it was cut short.`)
    throw new Fault(`Expected ${expected}, found ${JSON.stringify(found)}.`)
  }
}
