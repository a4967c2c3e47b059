/* A library whose global keeps what it is given. */
static void *kept;

void plugin_keep(void *p)
{
	kept = p;
}

void *plugin_kept(void)
{
	return kept;
}
