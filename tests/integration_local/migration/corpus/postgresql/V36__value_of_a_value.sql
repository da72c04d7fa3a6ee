INSERT INTO placed VALUES ('${again}');
