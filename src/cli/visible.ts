/** What commands print is made safe by what the service uses too. */
export * from '../base/visible.js';
