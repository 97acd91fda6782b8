// The shapes of the API that the scripts rely on; the whole of them is in /api/v1/openapi.json.

interface Person {
  id: string;
  name: string;
  role?: "viewer" | "engineer" | "admin";
}

/** A person as admins see them. */
interface Colleague extends Person {
  kind: "person" | "service";
  created_at: string;
  last_seen_at: string | null;
  deactivated_at: string | null;
  claims: number;
}

/** A token without its secret. */
interface Token {
  id: string;
  name: string | null;
  prefix: string;
  state: "active" | "expired" | "revoked" | "deactivated";
  expires_at: string | null;
  revoked_at: string | null;
  last_used_at: string | null;
}

interface Setting {
  value: number | string | null;
  effective: number | string | null;
  unit: string | null;
}

interface Statement {
  text: string;
  /** Words of the evidence, if a model wrote the statement. */
  quote?: string;
  evidence: string[];
  why?: string;
  outcome?: string;
}

/** Where a case stands, and what shows it. */
interface CaseState {
  value: "open" | "waiting" | "probably_solved";
  evidence: string[];
}

interface Assessment {
  state: CaseState | null;
  summary: string;
  what_we_know: Statement[];
  do_not_repeat: Statement[];
  likely_cause: Statement | null;
  suggested_steps: Statement[];
  similar: { handoff_id: string; title: string; digest: string; score: number }[];
  questions: string[];
  confidence: "low" | "medium" | "high";
  generation: number;
  assessment_state: AssessmentState;
  source: string | null;
  steps_newer: number | null;
  /** Evidence that was retracted since, such as `step:3`. */
  retracted_evidence: string[];
  queued_at: string;
  started_at: string | null;
  finished_at: string | null;
  error_kind: string | null;
}

type AssessmentState = "queued" | "running" | "succeeded" | "fallback" | "failed";
type Status = "parked" | "pending" | "ready" | "claimed" | "resolved" | "withdrawn" | "discarded";

/** A handoff in full, or as a card, which carries less text of the session and the assessment. */
interface Handoff {
  id: string;
  status: Status;
  version: number;
  priority: "low" | "normal" | "high" | "urgent";
  reason: string;
  ask: string | null;
  session: {
    external_id: string;
    title: string;
    problem: string;
    category: string | null;
    client: string | null;
    asset: string | null;
    steps_count: number;
  };
  handed_off_by: Person;
  target: Person | null;
  claimed_by: Person | null;
  created_at: string;
  ready_at: string | null;
  claimed_at: string | null;
  first_action_at: string | null;
  lease_until: string | null;
  snoozed_until: string | null;
  snooze_reason: string | null;
  resolved_at: string | null;
  resolution: string | null;
  seq: number;
  returns: number;
  overdue: boolean;
  assessment_state: AssessmentState | null;
  assessment: Assessment | null;
  questions_open: number;
  /** In rows of the queue and of lists: whether the reader has not read it (again). */
  unread?: boolean;
  /** In rows of a search: where its words were found. */
  matched?: Match[];
}

/** Where a search found a word: characters `start` to `end` of an excerpt of the field. */
interface Match {
  field: string;
  text: string;
  start: number;
  end: number;
}

interface Step {
  seq: number;
  kind: "question" | "action" | "observation" | "note";
  text: string;
  outcome: "worked" | "failed" | "partial" | "unknown" | null;
  at: string | null;
  author: string | null;
  added_by: Person;
  added_at: string;
  to: Person | null;
  answers: number | null;
  retracted_at: string | null;
  retracted_by: Person | null;
}

/** A session with its steps. */
interface Session {
  steps_count: number;
  steps: Step[];
}

interface FeedEvent {
  seq: number;
  type: string;
  at: string;
  handoff: Handoff;
}

interface Batch {
  id: string;
  state: "queued" | "running" | "paused" | "completed" | "cancelled" | "failed";
  paused_reason: string | null;
  note: string | null;
  created_at: string;
  started_by: Person | null;
  filter: Record<string, any>;
  total: number;
  done: number;
  in_flight: number;
  fallback: number;
  failed: number;
  skipped: number;
  rate: number | null;
  eta_seconds: number | null;
  cost: number;
  cost_ceiling: number | null;
}

interface BatchItem {
  handoff_id: string;
  session: { external_id: string; title: string };
  state: "waiting" | "dispatched" | "succeeded" | "fallback" | "failed" | "skipped";
  reason: string | null;
  before: Assessment | null;
  after: Assessment | null;
  differs: string[] | null;
}

/** What is known of the connection to the feed; times are milliseconds of the server's clock. */
interface FeedState {
  kind: "loading" | "live" | "reconnecting" | "stale" | "offline" | "stopped";
  retryAt?: number;
  since?: number;
}

/** A form whose controls are found by their names. */
type Form = Omit<HTMLFormElement, "elements"> & HTMLElement & { elements: Record<string, any> };

// What kind of element a selector finds, the selector says.
interface ParentNode {
  querySelector(selectors: string): any;
  querySelectorAll(selectors: string): NodeListOf<any>;
}

interface EventTarget {
  closest(selectors: string): any;
}

interface Element {
  closest(selectors: string): any;
}
