/*
 * inject_settings: what a recording is to be like, as the recorder reads it.
 */
#ifndef STRANDLINE_ATTACH_INJECT_SETTINGS_H
#define STRANDLINE_ATTACH_INJECT_SETTINGS_H

struct inject_settings;
struct late_settings;

void inject_settings_put(struct late_settings *to,
			 const struct inject_settings *s);

#endif
