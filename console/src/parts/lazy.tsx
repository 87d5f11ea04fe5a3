import { useSignal } from '@preact/signals';
import type { ComponentType, JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { sayError } from '../state/messages.ts';

/** Component that is loaded when it is first drawn. */
export function lazily<Props extends object>(
  load: () => Promise<ComponentType<Props>>,
): (props: Props) => JSX.Element | null {
  let loaded: ComponentType<Props> | undefined;
  return function Lazy(props) {
    const isThere = useSignal(loaded !== undefined);
    useEffect(() => {
      if (loaded !== undefined) return;
      load().then((component) => {
        loaded = component;
        isThere.value = true;
      }, sayError);
    }, []);
    if (!isThere.value || loaded === undefined) return null;
    const Component = loaded;
    return <Component {...props} />;
  };
}
