INSERT INTO seen VALUES ('☃;', '𝄞 и ツ');
CREATE TABLE größe (höhe integer);
