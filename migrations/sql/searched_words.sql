-- The words by which a handoff is found, with its account and its people, who are given by ids because names change.
CREATE FUNCTION searched_words(words tsvector, account uuid, author uuid, target uuid, claimer uuid)
RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT words || array_to_tsvector(array_remove(ARRAY['account:' || account::text, 'person:' || author::text,
        'person:' || target::text, 'person:' || claimer::text], NULL))
$$;
