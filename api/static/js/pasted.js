// Splitting a text that was pasted into steps.

const LONGEST = 8000; // characters of a step
const ITEM = /^\s*(?:[-*•–]|\d{1,3}[.)])\s+/; // of a list
const STAMPED =
  /^\s*[[(<]?(?:\d{4}[-/.]\d\d[-/.]\d\d|\d\d?[-/.]\d\d?[-/.]\d{2,4}|[A-Z][a-z]{2}\s+\d\d?)?[ T]?\d\d:\d\d(?::\d\d)?\b/;
const FENCE = /^\s*```/;

/**
 * The steps of a text: a list has one for each item, a log and fenced code are one each, other lines are one each.
 * Indented lines go on with the one before. The kind is a guess that its author can change.
 * @param {string} text
 * @returns {{ text: string, kind: string }[]}
 */
export function splitIntoSteps(text) {
  const blocks = [];
  let fenced = false;
  let empty = true; // whether the line before was
  for (const line of text.replace(/\r\n?/g, "\n").split("\n")) {
    const last = blocks.at(-1);
    const isLog = STAMPED.test(line);
    const goesOn = last && (fenced || (!empty && ((isLog && last.isLog) || (/^\s/.test(line) && !ITEM.test(line)))));
    if (goesOn) last.lines.push(line);
    else if (line.trim()) blocks.push({ lines: [line], isLog: isLog || FENCE.test(line) });
    if (FENCE.test(line)) fenced = !fenced;
    empty = !line.trim() && !fenced;
  }
  return blocks.flatMap(({ lines, isLog }) => (isLog ? logSteps(lines) : [plainStep(lines)]));
}

function plainStep(lines) {
  const text = lines.join("\n").replace(ITEM, "").trim().slice(0, LONGEST);
  return { text, kind: text.endsWith("?") ? "question" : "action" };
}

// A long log is cut between two lines.
function logSteps(lines) {
  const pieces = [""];
  for (const line of lines) {
    if (pieces.at(-1).length + line.length + 1 > LONGEST) pieces.push("");
    pieces[pieces.length - 1] += `${line.slice(0, LONGEST - 1)}\n`;
  }
  return pieces.map((text) => ({ text: text.trimEnd(), kind: "observation" }));
}
