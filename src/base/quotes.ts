/** Whether a text stands in quotes, as shells and env files have them around a value: they are no part of it. */
export const isInQuotes = (text: string): boolean => /^(['"`]).*\1$/s.test(text);
