-- Number a line of the audit and chain it to the one before it; a trigger, so that no writer can do it otherwise. The
-- second statement sees what was committed while the first one waited. models/audit/chain.py computes the same hash:
-- SHA-256 of a JSON array without spaces, whose last item is the former hash.
CREATE FUNCTION chain_audit() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    former record;
BEGIN
    PERFORM public.lock_audit(NEW.account_id);
    SELECT last.seq, last.hash INTO former
        FROM public.audit AS last WHERE last.account_id = NEW.account_id ORDER BY last.seq DESC LIMIT 1;
    NEW.seq := coalesce(former.seq, 0) + 1;
    NEW.hash := encode(sha256(convert_to(concat(
        '["', NEW.account_id, '",', NEW.seq, ',"', public.rfc3339(NEW.at), '",',
        coalesce('"' || NEW.actor_id || '"', 'null'), ',',
        to_json(NEW.kind), ',',
        coalesce('"' || NEW.handoff_id || '"', 'null'), ',',
        to_json(NEW.subject), ',',
        coalesce(to_json(NEW.note)::text, 'null'), ',"',
        coalesce(former.hash, repeat('0', 64)), '"]'), 'UTF8')), 'hex');
    RETURN NEW;
END
$$;
