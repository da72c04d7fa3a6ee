CREATE TRIGGER after_note AFTER INSERT ON notes
WHEN NEW.said <> 'end;'
BEGIN
  UPDATE notes SET said = CASE WHEN said = 'a' THEN 'b' ELSE said END WHERE id = NEW.id;
  DELETE FROM notes WHERE said = '; END;';
END;
CREATE TEMP TRIGGER x AFTER DELETE ON main.notes BEGIN SELECT 1; END;
INSERT INTO notes (said) VALUES ('a');
