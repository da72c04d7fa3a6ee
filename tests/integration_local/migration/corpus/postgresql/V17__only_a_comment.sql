-- nothing to do
/* at all */
