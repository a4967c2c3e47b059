/*
 * escape: foreign names made safe for the format they are put into.
 *
 * What a symbol, a route or a path is called is somebody else's choice; none
 * of it may end an element, start a command or reach a person by an @.  All of
 * them read through utf8_next(), so what comes out is UTF-8.
 */
#ifndef STRANDLINE_REPORTS_ESCAPE_H
#define STRANDLINE_REPORTS_ESCAPE_H

struct buf;

/* Text or attribute of XML; controls, which XML cannot hold, become U+FFFD. */
void escape_xml(struct buf *out, const char *text);

/* A line of markdown (CommonMark, GitHub, GitLab), also within a table. */
void escape_markdown(struct buf *out, const char *text);
/* The same as code: `text`. */
void escape_markdown_code(struct buf *out, const char *text);

/* The message of a workflow command of GitHub, ::error::message ... */
void escape_workflow(struct buf *out, const char *text);
/* ... and the value of a property, ::error title=value:: */
void escape_workflow_property(struct buf *out, const char *text);

/* A path as a URI reference: "a b/c" is "a%20b/c". */
void escape_uri(struct buf *out, const char *path);

#endif
