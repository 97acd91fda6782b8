// The server writes times on the reader's clock, so a cookie names the zone.

const YEAR_SECONDS = 365 * 24 * 3600;

export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

const secure = location.protocol === "https:" ? "; Secure" : "";
// biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is not in every browser, nor in plain http
document.cookie = `zone=${zone}; Path=/; SameSite=Strict; Max-Age=${YEAR_SECONDS}${secure}`;
