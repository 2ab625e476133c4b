// Earning credit and points by orders: docs/spec.md section 9.20.

import { creditBody, given } from "./credit.mjs";
import { holds, lineNumber, lineOf } from "./escrow.mjs";
import * as f from "./forms.mjs";
import { orderStream, theOrder } from "./orders.mjs";
import { timerId } from "./proofs.mjs";
import { need } from "./state.mjs";
import { termsOf } from "./terms.mjs";

const shares = { CREDIT: "purchase_bp", POINTS: "points_bp" };

function earn(asked) {
  const { body, command, ledger } = asked;
  const order = theOrder(asked);
  const line = lineOf(order, body.line);
  need(body.party === order.buyer, "not-buyer");
  const name = `${body.line}/${body.unit}`;
  need(command.id === timerId(orderStream(body), "credit-earned", name), "malformed");
  const terms = termsOf(ledger.state("policy/trade"), order.terms);
  const bp = terms ? BigInt(terms.document.credit[shares[body.unit]]) : 0n;
  const ended = holds(line) === 0n && line.claims.length === 0;
  const amount = ended ? (line.released * bp) / 10_000n : 0n;
  need(amount > 0n && body.amount === String(amount), "credit-not-earned");
  return given(asked, "credit-earned/1", amount);
}

/** The kind. */
export const EARNING_KINDS = {
  "earn-credit/1": {
    roles: [["system"]],
    body: { ...creditBody, line: lineNumber, order: f.uuid7 },
    derive: earn,
    exact: true,
  },
};
