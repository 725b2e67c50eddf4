/* looks.c - what the prelude asks about the script itself: where it is, how its lines read, what
 * its variables hold. It changes nothing. */
#include <stdio.h>
#include "script/internal.h"

#define NEAREST_PART 3 /* of a word's letters one may be wrong */

int script_near_limit(const char *word)
{
    int size = (int)strlen(word);
    return size < NEAREST_PART ? 0 : size / NEAREST_PART + 1;
}

/* nearest(word, names): the one that a person may have meant, or nothing. */
static int find_nearest(lua_State *lua)
{
    const char *word = luaL_checkstring(lua, 1);
    int best = script_near_limit(word);
    luaL_checktype(lua, 2, LUA_TTABLE);
    lua_pushnil(lua);
    for (lua_Integer i = 1; lua_geti(lua, 2, i) != LUA_TNIL; i++) {
        int distance = text_distance(word, luaL_checkstring(lua, -1));
        if (distance < best) {
            best = distance;
            lua_replace(lua, 3);
        } else {
            lua_pop(lua, 1);
        }
    }
    lua_pop(lua, 1);
    return 1;
}

static int print_time(lua_State *lua)
{
    struct text text;
    text_init(&text, script_of(lua)->mem);
    fault_time_print(luaL_checkinteger(lua, 1), &text);
    lua_pushlstring(lua, text.data == NULL ? "" : text.data, text.failed ? 0 : text.size);
    text_free(&text);
    return 1;
}

static int get_place(lua_State *lua)
{
    char place[SCRIPT_PLACE_MAX];
    script_place(lua, place, sizeof place);
    lua_pushstring(lua, place);
    return 1;
}

/* Adds what a function sees to the table on top; what is nearer hides what is farther. */
static void add_visible(lua_State *lua, lua_Debug *ar)
{
    int table = lua_gettop(lua);
    const char *name;
    lua_getinfo(lua, "f", ar);
    for (int i = 1; (name = lua_getupvalue(lua, -1, i)) != NULL; i++)
        lua_setfield(lua, table, name);
    lua_pop(lua, 1);
    for (int i = 1; (name = lua_getlocal(lua, ar, i)) != NULL; i++) {
        if (name[0] == '(')
            lua_pop(lua, 1);
        else
            lua_setfield(lua, table, name);
    }
}

/* caller(): the line of the script that runs, and the variables it sees; nothing outside of it. */
static int get_caller(lua_State *lua)
{
    lua_Debug ar;
    if (!script_find_line(lua, &ar))
        return 0;
    lua_pushinteger(lua, ar.currentline);
    lua_newtable(lua);
    add_visible(lua, &ar);
    return 2;
}

/* source(line): the script's text from that line on, or as much of it as is ever shown. */
static int get_source(lua_State *lua)
{
    struct bytes text = script_of(lua)->source;
    lua_Integer line = luaL_checkinteger(lua, 1);
    for (; line > 1 && text.size > 0; line--) {
        const uint8_t *newline = memchr(text.data, '\n', text.size);
        size_t size = newline == NULL ? text.size : (size_t)(newline - text.data) + 1;
        text = bytes_of(text.data + size, text.size - size);
    }
    lua_pushlstring(lua, text.size == 0 ? "" : (const char *)text.data,
                    MIN(text.size, SCRIPT_SHOWN_MAX));
    return 1;
}

void script_add_looks(lua_State *lua)
{
    static const luaL_Reg functions[] = {{"nearest", find_nearest}, {"time_text", print_time},
                                         {"place", get_place},      {"caller", get_caller},
                                         {"source", get_source},    {NULL, NULL}};
    luaL_setfuncs(lua, functions, 0);
}

/* heard(time_ns, variable, statement): a word that the script said (transcript.lua). */
static int hear(lua_State *lua)
{
    const struct script_options *o = script_of(lua)->options;
    o->heard(o->heard_context, luaL_checkinteger(lua, 1), luaL_checkstring(lua, 2),
             luaL_checkstring(lua, 3));
    return 0;
}

void script_add_ear(lua_State *lua)
{
    if (script_of(lua)->options->heard == NULL)
        return;
    lua_pushcfunction(lua, hear);
    lua_setfield(lua, -2, "heard");
}
