SELECT
  'crlf';
