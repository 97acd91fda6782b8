// The people of the account.

import { get } from "./api.js";

// Those who may take work; an empty list when they cannot be read.
export async function people() {
  const answer = await get("/people").catch(() => null);
  return answer?.items ?? [];
}
