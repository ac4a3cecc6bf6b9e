-- A customer may leave a note with an order. The column may be empty, so that the
-- release before this one keeps working on the new schema.

ALTER TABLE orders ADD COLUMN note TEXT;
