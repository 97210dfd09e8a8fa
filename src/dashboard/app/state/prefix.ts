/** Where the dashboard is mounted, without a slash at the end: the address of this page without the page's own part. */
const PAGES = /\/(?:clocks|connectors?|usage|operations)?$/;
export const prefix = location.pathname.replace(PAGES, '');
