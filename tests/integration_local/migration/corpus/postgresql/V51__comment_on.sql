COMMENT ON TABLE product IS 'what is sold; and -- what not';
